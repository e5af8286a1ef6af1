# SPDX-License-Identifier: MIT
"""
The kernel's failures, planted in this library one at a time: each test here has to fail then.
A row is the test, what is built in, and the changes: file of src/, old text, new text. A pause that is put in
makes a race that is there likely.
"""

PAUSE = "usleep(100);"
ENTER = "pd_guard_enter(PD_IN_CALL, pinst, 0);"

PLANTED = [
    ("cpu_count_no_power_of_two", "the next CPU is not set back at the end",
     [("crew.c", "i = (i + 1) % crew->words", "i = i + 1")]),
    ("cpu_taken_out_half_way", "a CPU is taken out while tasks are outstanding",
     [("mask.c", "\t\tpd_quiesce_locked(pinst, 0);\n", "")]),
    ("deferred_action_without_a_reference", "what is queued holds nothing",
     [("quiesce.c", "\tawait_rest(pinst);\n", ""),
      ("instance.c", "\t\tpd_guard_wait(pinst, true);\n", "")]),
    ("finished_on_the_wrong_cpu", "serial() where the task was finished",
     [("lane.c", "\t\t\tif (!lane || lane->cpu != cpu) {\n", "\t\t\tcpu = (uint16_t)sched_getcpu();\n\t\t\tif (!lane || lane->cpu != cpu) {\n")]),
    ("freed_inside_the_drain", "who delivers does not keep the instance",
     [("submit.c", ENTER + "\n\tpd_task_set_state", "pd_task_set_state"),
      ("lane.c", "\t\tpd_window_taken(&pinst->window, seq);\n", f"\t\t{PAUSE}\n\t\tpd_window_taken(&pinst->window, seq);\n")]),
    ("freed_under_the_serial_worker", "the worker does not keep the instance",
     [("quiesce.c", "\tawait_rest(pinst);\n", ""),
      ("instance.c", "\t\tpd_guard_wait(pinst, true);\n", "")]),
    ("lock_held_in_a_callback", "a callback runs under a lock",
     [("lane.c", "\t\tpd_debug_call(lane, task, PD_SERIAL);\n",
       "\t\tpthread_mutex_lock(&lane->instance->room_lock);\n\t\tpd_debug_call(lane, task, PD_SERIAL);\n"
       "\t\tpthread_mutex_unlock(&lane->instance->room_lock);\n")]),
    ("locks_in_two_orders", "a lock of hotplug is taken before the registry's, and after it",
     [("guard.c", "static pthread_mutex_t registry_lock",
       "pthread_mutex_t hotplug_lock = PTHREAD_MUTEX_INITIALIZER;\npthread_mutex_t registry_lock"),
      ("guard.c", "\tfor (struct pd_guard *guard = registry; guard;",
       f"\t{PAUSE}\n\tpthread_mutex_lock(&hotplug_lock);\n\tpthread_mutex_unlock(&hotplug_lock);\n"
       "\tfor (struct pd_guard *guard = registry; guard;"),
      ("mask.c", "static struct pd_lane *add_lane(",
       "extern pthread_mutex_t hotplug_lock, registry_lock;\nstatic struct pd_lane *add_lane("),
      ("mask.c", "\tif (lane)\n\t\treturn lane;\n",
       f"\tpthread_mutex_lock(&hotplug_lock);\n\t{PAUSE}\n\tpthread_mutex_lock(&registry_lock);\n"
       "\tpthread_mutex_unlock(&registry_lock);\n\tpthread_mutex_unlock(&hotplug_lock);\n"
       "\tif (lane)\n\t\treturn lane;\n")]),
    ("mask_without_a_usable_cpu", "the leaving CPU is still in the mask",
     [("mask.c", "\tcpumask_and(usable, usable, mask);\n", "")]),
    ("nested_users", "all instances share one order",
     [("lane.c", "\tfor (unsigned int n = 1; task; n++) {\n",
       "\tstatic struct padata_instance *_Atomic oldest;\n\tstruct padata_instance *none = NULL;\n"
       "\tif (task && !atomic_compare_exchange_strong(&oldest, &none, lane->instance) && none != lane->instance)\n"
       "\t\twhile (pd_room(none) != atomic_load(&none->size))\n\t\t\tsched_yield();\n"
       "\tfor (unsigned int n = 1; task; n++) {\n")]),
    ("no_barrier_before_the_second_look", "no second look",
     [("lane.c", "\t} while (!pd_window_park(", f"\t\t{PAUSE}\n\t}} while (!pd_window_park("),
      ("window.c", "return !pd_window_pick_up(w, seq);", "return true;")]),
    ("one_node_on_two_lists", "a task stands twice in the serial queue",
     [("lane.c", "\t\t\tpd_serialq_put(&lane->serialq, task);\n",
       "\t\t\tpd_serialq_put(&lane->serialq, task);\n\t\t\tif (seq % 4 == 3)\n"
       "\t\t\t\tpd_serialq_put(&lane->serialq, task);\n")]),
    ("order_lost_across_a_change", "tasks are accepted while a change waits for those before it",
     [("quiesce.c", "PD_GATE_CHANGING | flag", "flag")]),
    ("overload_runs_inline", "a full instance runs parallel() in its caller",
     [("submit.c", "\tif (result != -EINPROGRESS)\n",
       "\tif (result == -EBUSY)\n\t\ttasks[0]->parallel(tasks[0]);\n\tif (result != -EINPROGRESS)\n")]),
    ("read_after_it_was_queued", "a task is read after it was published",
     [("submit.c", "\t/* From here on the tasks may have completed",
       f"\t{PAUSE}\n\tif (pd_task_state(tasks[0]) > PD_TASK_FINISHED)\n\t\treturn -EINVAL;\n"
       "\t/* From here on the tasks may have completed")]),
    ("refusal_taken_for_success", "a refusal during a change reads as accepted",
     [("submit.c", "\t\tif (gate & PD_GATE_CHANGING)\n\t\t\treturn -EBUSY;", "\t\tif (gate & PD_GATE_CHANGING)\n\t\t\treturn -EINPROGRESS;")]),
    ("sequence_taken_in_two_steps", "the number is read and set by two operations",
     [("window.c",
       "\tif (!atomic_compare_exchange_strong_explicit(&w->gate, &gate, (next + *n) << PD_GATE_SHIFT,\n"
       "\t\t\t\t\t\t     memory_order_relaxed, memory_order_relaxed))\n\t\treturn PD_AGAIN;\n",
       "\tsched_yield();\n\tatomic_store(&w->gate, (next + *n) << PD_GATE_SHIFT);\n")]),
    ("sequence_wraps", "numbers are compared with 32 bits",
     [("window.c", "\tif (next >= limit)\n", "\tif ((uint32_t)next >= (uint32_t)limit)\n")]),
    ("sizes_zero_and_one", "a window of nothing is taken",
     [("instance.c", "if (tasks == 0 || tasks > window_max)", "if (tasks > window_max)")]),
    ("stragglers_need_a_timer", "who finishes the oldest task leaves it to others",
     [("submit.c", "\tpd_lane_deliver(pinst);\n", "")]),
    ("two_drainers", "the token is looked at and taken by two operations",
     [("window.c",
       "\tif (!token || !atomic_compare_exchange_strong_explicit(&w->token, &token, 0, memory_order_acquire,\n"
       "\t\t\t\t\t\t\t       memory_order_relaxed))\n\t\treturn false;\n",
       "\tif (!token)\n\t\treturn false;\n\tsched_yield();\n\tatomic_store(&w->token, 0);\n")]),
    ("used_after_the_last_hand_over", "who submits does not keep the instance",
     [("submit.c", ENTER + "\n\tresult = submit(pinst, &padata", "result = submit(pinst, &padata"),
      ("submit.c", "\t/* From here on the tasks may have completed", f"\t{PAUSE}\n\t/* From here on the tasks may have completed")]),
]
