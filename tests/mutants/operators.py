# SPDX-License-Identifier: MIT
"""Which mutants there are: each is one change to one file of src/."""

import pathlib
import re
from dataclasses import dataclass

# Without concurrency of its own, or seen by no scenario: tests/contract covers what they do.
LEFT_OUT = {"cpumask.c", "compiler.h"}

WEAKER = {
    "seq_cst": ["acq_rel"],
    "acq_rel": ["acquire", "release"],
    "acquire": ["relaxed"],
    "release": ["relaxed"],
}

# Statements that keep a wake-up, an order or a lifetime: deleted one at a time.
STEPS = (
    "pd_barrier_heavy pd_barrier_light atomic_thread_fence atomic_signal_fence "
    "pd_futex_wake pd_park pd_unpark pd_room_wake pd_notify pd_room_fd_update pd_lane_wake look_again stop_searching pd_lane_call pd_lane_summon "
    "pd_crew_search pd_crew_add pd_guard_enter pd_guard_leave pd_guard_wait pd_guard_register "
    "pd_quiesce_locked pd_resume_locked pd_await pd_window_skip pd_window_allow pd_window_taken "
    "pthread_cond_broadcast pthread_join pd_worker_queue pd_debug_unwatch pd_serialq_publish show rest "
    "pd_span_put pd_lane_deliver look_for_token pd_lane_lend pd_lane_reclaim pd_lane_rest_here pd_leave_from_sleep take_all each"
).split()

# Locks are deleted in pairs: all of one mutex in one function.
LOCK = re.compile(r"^\t+pthread_mutex_(?:un)?lock\(([^;]*)\);", re.M)

# Re-checks and the like, which no pattern finds: file, old text, new text, what it is.
BY_HAND = [
    ("futex.c", "while (!atomic_exchange_explicit(&parker->permit", "if (!atomic_exchange_explicit(&parker->permit",
     "a futex that returned early is taken for a wake-up"),
    ("futex.c", "atomic_store_explicit(&parker->permit, 1, memory_order_release);", "", "no permit before the wake"),
    ("inbox.c", "\treturn atomic_compare_exchange_strong_explicit(&inbox->head, &old, PD_INBOX_IDLE,",
     "\tatomic_store_explicit(&inbox->head, PD_INBOX_IDLE, memory_order_release); return true;\n"
     "\treturn atomic_compare_exchange_strong_explicit(&inbox->head, &old, PD_INBOX_IDLE,",
     "rest without looking"),
    ("inbox.c", "old == PD_INBOX_ACTIVE ? PD_INBOX_POKED : old", "old", "a poke leaves an active consumer alone"),
    ("inbox.c", "if (old == PD_INBOX_ACTIVE)\n\t\treturn NULL;", "if (old <= PD_INBOX_POKED)\n\t\treturn NULL;",
     "a poke is not taken"),
    ("await.c", "holds = condition(pinst, argument);\n", "holds = true;\n", "no look at the condition"),
    ("await.c", "if (holds)\n\t\t\tunlink_await(pinst, &await);", "", "a waiter stays in the list"),
    ("await.c", "if (!pinst->awaits)\n", "", "one waiter leaves, and the others are forgotten"),
    ("await.c", "if (await->condition(pinst, await->argument))\n\t\t\tpd_unpark(&await->parker);",
     "if (await->condition(pinst, await->argument)) {\n\t\t\tpd_unpark(&await->parker);\n\t\t\tbreak;\n\t\t}",
     "one waiter is woken, not all"),
    ("await.c", "atomic_fetch_or_explicit(&pinst->awaited, PD_AWAIT_PROGRESS, memory_order_relaxed);", "",
     "nobody is told that somebody waits"),
    ("room.c", "\t\tfound = look_for_room(pinst);\n\t\tif (found)\n\t\t\treturn found;\n\t\tpd_futex_wait",
     "\t\tpd_futex_wait",
     "no look between the barrier and the sleep"),
    ("room.c", "coalesce = false;", "(void)0;", "a waiter coalesces for ever"),
    ("room.c", "atomic_fetch_add_explicit(&pinst->room_turn, 1, memory_order_release);", "", "a wake-up without a new turn"),
    ("room.c", "atomic_fetch_or_explicit(&pinst->awaited, PD_AWAIT_FD, memory_order_relaxed);", "",
     "a descriptor is watched by nobody"),
    ("room.c", "if (room) {\n", "if (0) {\n", "the descriptor is never made readable"),
    ("room.c", "\treturn next < end ? (unsigned int)(end - next) : 0;", "\treturn (unsigned int)(end - next);",
     "room below zero"),
    ("quiesce.c", "while (!lanes_rest(pinst, &none));", "while (0);", "the lanes are looked at once"),
    ("quiesce.c", "argument[0] && pd_worker_is_lent(lane->worker, lane)", "0", "a lane is waited for although its worker sleeps"),
    ("quiesce.c", ">= argument[1] ||", ">= argument[1] + 1 ||", "a flush waits for one task more"),
    ("quiesce.c", "PD_GATE_CHANGING | flag", "flag", "the gate stays open"),
    ("quiesce.c", "atomic_store_explicit(&pinst->quiescing, true, memory_order_relaxed);", "",
     "searchers are not told to rest"),
    ("quiesce.c", "atomic_fetch_and_explicit(&pinst->window.gate, ~(uint64_t)PD_GATE_CHANGING, memory_order_release);",
     "", "the gate is not opened again"),
    ("window.h", "return (seq >> w->shift) & 1;", "return 1;", "no lap"),
    ("window.h", "return (uint16_t)(seq >> w->shift) == state >> PD_TAG_BITS;", "return true;", "a slot's lap is not compared"),
    ("window.h", "memory_order_release);\n\n\treturn pd_window_is_done(w, seq - w->mask - 1, old);",
     "memory_order_release);\n\n\treturn true;", "not looked at what was done there before"),
    ("window.c", "return token & PD_TOKEN_LIES && pd_window_is_done(w, seq, state) ? token : 0;", "return 0;",
     "the token is not picked up"),
    ("window.c", "return token & PD_TOKEN_LIES && pd_window_is_done(w, seq, state) ? token : 0;",
     "return token & PD_TOKEN_LIES ? token : 0;", "the token is picked up at a task that is not done"),
    ("window.c", "if (!token || !atomic_compare_exchange_strong_explicit(&w->token, &token, 0, memory_order_acquire,\n"
     "\t\t\t\t\t\t\t       memory_order_relaxed))\n",
     "if (!token || (atomic_store_explicit(&w->token, 0, memory_order_relaxed), false))\n", "two pick the token up"),
    ("window.c", "return !pd_window_pick_up(w, seq);", "return true;", "the token is left without looking"),
    ("window.c", "\tatomic_store_explicit(pd_window_task_at(w, seq), pd_window_lap_bit(w, seq), memory_order_relaxed);\n", "",
     "a number that is skipped is not published"),
    ("window.c", "\tatomic_store_explicit(pd_window_state_at(w, seq), pd_window_state_of(w, seq, 0),\n"
     "\t\t\t      memory_order_relaxed);\n", "", "a number that is skipped is not done"),
    ("window.c", "\tatomic_store_explicit(&w->token, (seq + 1) << 1 | PD_TOKEN_LIES, memory_order_relaxed);\n", "",
     "the token lies at the number that is skipped"),
    ("window.c", "\tatomic_store_explicit(&w->claimed, seq + 1, memory_order_relaxed);\n", "",
     "a number that is skipped is not claimed"),
    ("window.c", "\tatomic_store_explicit(&w->taken, seq + 1, memory_order_relaxed);\n", "",
     "a number that is skipped is not taken"),
    ("window.c", "while (old < limit) {", "for (int once = 1; once && old < limit; once = 0) {", "the limit is raised by one attempt"),
    ("crew.h", "return balance >> 16 == 0 && balance != 0;", "return 0;", "nobody lacks a searcher"),
    ("crew.h", "return balance >> 16 == 0 && balance != 0;", "return balance != 0;", "more searchers than one are called"),
    ("crew.c", "\treturn balance >> 16 == 0 && balance != 0;", "\treturn 0;", "the last searcher does not look again"),
    ("crew.c", "return was_searching ? balance >> 16 == 1 : balance == 0;", "return 0;",
     "the last one to rest does not look again"),
    ("crew.c", "return was_searching ? balance >> 16 == 1 : balance == 0;", "return was_searching && balance >> 16 == 1;",
     "the first one to rest does not look again"),
    ("crew.c", "\tset_bit(crew, cpu);\n\tbalance =", "\tbalance =", "at rest, and not in the set"),
    ("crew.c", "if (balance >> 16 || !balance)", "if (!balance)", "a call although somebody searches"),
    ("call.c", "if (!pd_crew_work(&pinst->crew))\n\t\t\treturn;", "return;",
     "a busy CPU counts as a searcher"),
    ("lane.c", "} while (!pd_window_park(&pinst->window, &seq));", "} while (pd_window_park(&pinst->window, &seq), 0);",
     "what is done by now is not taken"),
    ("lane.c", "\tif (pd_lane_deliver(pinst))\n\t\treturn true;\n", "", "who searches does not look for the token"),
    ("lane.c", " || pd_serialq_stirs(&lane->serialq)", "", "what a lane has delivered to itself is left behind"),
    ("lane.c", "\tatomic_store_explicit(&lane->instance->has_absentee, true, memory_order_relaxed);\n", "",
     "a lane leaves, and nobody is told"),
    ("lane.c", "if (called == PD_SUMMONED)", "if (0)", "a summoned lane does not count as a searcher"),
    ("lane.c", "\tif (lane == pd_lane_self || lane == *to_wake)\n\t\treturn;\n", "\tif (lane == *to_wake)\n\t\treturn;\n",
     "a lane wakes itself"),
    ("lane.c", "\tif (*to_wake)\n\t\tpd_lane_wake(*to_wake);\n", "", "one lane of several is woken"),
    ("lane.c", "\t/* Again: what was put before the poke that was taken is to be seen. */\n\treturn pd_serialq_look(&lane->serialq);",
     "\treturn NULL;", "a poke is taken without another look"),
    ("lane.c", "if (pd_unlikely(atomic_load_explicit(&pinst->awaited, memory_order_relaxed) & PD_AWAIT_PROGRESS))\n"
     "\t\tpd_notify(pinst, false);", "", "a delivery is not told of"),
    ("call.c", "atomic_store_explicit(&lane->called, PD_SUMMONED, memory_order_relaxed);", "", "a summons without a note"),
    ("call.c", "atomic_store_explicit(&lane->called, PD_CALLED, memory_order_relaxed);", "", "a call without a note"),
    ("call.c", "(lane == pd_lane_self &&", "(pd_lane_self &&", "a lane takes whom it calls for itself"),
    ("call.c", " && !lane->in_serial", "", "a lane counts on itself while its serial() sleeps"),
    ("instance.h", "pd_span_goes_on(&lane->run) && ", "", "a run goes on that has no more to begin"),
    ("instance.h", " && pd_crew_is_awake(&pinst->crew)", "", "a run goes on while somebody rests"),
    ("instance.h", " &&\n\t       !atomic_load_explicit(&pinst->has_absentee, memory_order_relaxed)", "",
     "a lane that has left is not thought of"),
    ("run.c", "last ? lanes : 1", "1", "one lane is looked at before a rest"),
    ("run.c", "left && (last || ", "left && (", "few are left alone before a rest"),
    ("run.c", "return pd_window_deliverable(&pinst->window);", "return false;", "a token to be picked up is nothing to do"),
    ("run.c", "\tfor (unsigned int i = 0; i < lanes; i++) {\n\t\tif (pd_span_left(&pinst->lane_list[i]->run))\n"
     "\t\t\treturn true;\n\t}\n",
     "\tatomic_thread_fence(memory_order_seq_cst);\n\tif (pd_window_deliverable(&pinst->window))\n\t\treturn true;\n"
     "\tfor (unsigned int i = 0; i < lanes; i++) {\n\t\tif (pd_span_left(&pinst->lane_list[i]->run))\n"
     "\t\t\treturn true;\n\t}\n\treturn false;\n", "the token is looked at before the runs"),
    ("run.c", "\tfor (unsigned int i = 0; i < lanes; i++) {\n\t\tif (pd_span_left(&pinst->lane_list[i]->run))\n"
     "\t\t\treturn true;\n\t}\n", "", "what is left of a run is nothing to do"),
    ("span.h", " &&\n\t    !pd_span_reclaim(span, seq))", ")", "a claim is not undone"),
    ("span.h", "\tatomic_store_explicit(&span->begun, seq + 1, memory_order_release);\n", "\tuint64_t look = span->end >> PD_CLAIM_BITS;\n"
     "\tif (seq < look) {\n\t\tatomic_store_explicit(&span->begun, seq + 1, memory_order_release);\n\t\t*next = seq;\n"
     "\t\treturn true;\n\t}\n\tatomic_store_explicit(&span->begun, seq + 1, memory_order_release);\n",
     "the end is looked at first"),
    ("span.h", "return atomic_load_explicit(&span->begun, memory_order_relaxed) <\n",
     "return atomic_load_explicit(&span->begun, memory_order_relaxed) <=\n", "an empty span goes on"),
    ("span.h", "atomic_load_explicit(&span->end, memory_order_relaxed) >> PD_CLAIM_BITS;\n}",
     "(span->end >> PD_CLAIM_BITS) + (span->end & (((uint64_t)1 << PD_CLAIM_BITS) - 1));\n}",
     "what a thief has claimed is more to begin"),
    ("span.c", "\tatomic_store_explicit(&span->end, 0, memory_order_relaxed);\n", "", "the last end stands behind a new beginning"),
    ("span.c", "\tend = (end >> PD_CLAIM_BITS) + (end & CLAIM_MASK);\n", "\tend >>= PD_CLAIM_BITS;\n",
     "what a thief has claimed is gone"),
    ("span.c", " && end - begun <= PD_SPAN_MAX", "", "more is left than a span can hold"),
    ("span.c", "(left_until(span, end) + 1) / 2", "left_until(span, end) / 2", "the last one is not robbed"),
    ("span.c", "\tif (atomic_load_explicit(&span->begun, memory_order_acquire) > *first) {\n", "\tif (false) {\n",
     "not looked at what was begun"),
    ("span.c", "memory_order_acquire) > *first", "memory_order_acquire) >= *first", "what comes next counts as begun"),
    ("span.c", "\t\trobbed = end;\n", "", "what was begun is not given back"),
    ("span.c", "\tif (!atomic_compare_exchange_strong_explicit(&span->end, &claimed, robbed, memory_order_relaxed,\n"
     "\t\t\t\t\t\t     memory_order_relaxed))\n\t\tn = 0;\n",
     "\tatomic_store_explicit(&span->end, robbed, memory_order_relaxed);\n", "not looked at whether the claim still stands"),
    ("span.c", " ||\n\t    atomic_exchange_explicit(&span->robbed, true, memory_order_acquire)", "", "two thieves at once"),
    ("span.c", "\tatomic_store_explicit(&span->robbed, false, memory_order_release);\n", "", "a span is robbed once"),
    ("submit.c", "!lane || lane->instance != pinst", "!lane", "a lane keeps another's instance"),
    ("submit.c", "return !pd_room_allow(pinst);", "return true;", "full, without counting"),
    ("submit.c", "if (gate & PD_GATE_CHANGING)\n\t\t\treturn -EBUSY;", "", "a change is not looked for at first"),
    ("submit.c", "pd_task_set_state(padata, PD_TASK_FINISHED);\n\tif (!", "if (!", "a finished task is not marked"),
    ("submit.c", "pd_task_set_state(padata, PD_TASK_FINISHED);\n\tif (pd_unlikely", "if (pd_unlikely", "a finished task is not marked"),
    ("instance.c", "if (is_idle_locked(pinst)) {\n", "{\n", "not looked again behind the standstill"),
    ("debug.c", "if (pd_outstanding(pinst) == outstanding)\n", "", "not looked again whether anything is outstanding"),
    ("mask.c", "atomic_fetch_add_explicit(&pinst->skipped, 1, memory_order_relaxed);", "", "a skipped number is not counted"),
    ("mask.c", "pd_mask_apply_locked(pinst, mask, usable);\n\t\tpd_resume", "pd_resume", "the mask is not applied"),
    ("mask.c", "pd_crew_clear(&pinst->crew);", "", "the crew of the old mask stays"),
    ("guard.h", "if (__builtin_expect(!self->registered, 0))\n\t\tpd_guard_register();", "", "a thread is not registered"),
    ("guard.c", "while (is_inside(guard, instance, false) &&", "if (is_inside(guard, instance, false) &&",
     "looked once at who is in a call"),
    ("guard.c", "while (anybody_inside(instance))", "if (anybody_inside(instance))", "looked once at who is inside"),
    ("guard.h", "atomic_store_explicit(&self->entries, entries + 1, memory_order_release);", "",
     "two visits cannot be told apart"),
    ("workqueue.h", "return lent && lent != item;", "return lent;", "a worker lends what it sleeps in"),
    ("workqueue.c", "atomic_store_explicit(&self->lent, NULL, memory_order_relaxed);", "", "a worker has its queue and still lends it"),
    ("workqueue.c", "\t\twork->func(work);\n", "\t\twork->func(work);\n\t\t(void)*(void *volatile *)&work->padata_next;\n",
     "the link is read after the item was run"),
    ("workqueue.c", "if (pd_inbox_poke(&worker->inbox))\n\t\t\t\tpd_unpark(&worker->parker);", "",
     "a worker is not told to end"),
    ("workqueue.c", "atomic_store_explicit(&worker->stopping, true, memory_order_relaxed);", "",
     "a worker does not know that it is to end"),
    ("workqueue.c", "} while (queued != atomic_load_explicit(&wq->queued, memory_order_relaxed));", "} while (0);",
     "one round of flushes before the end"),
    ("workqueue.c", "atomic_fetch_add_explicit(&wq->queued, 1, memory_order_relaxed);", "", "queued items are not counted"),
    ("workqueue.c", "__atomic_store_n(&work->padata_pending, 0, __ATOMIC_RELEASE);\n\t\twork->func(work);",
     "work->func(work);\n\t\t__atomic_store_n(&work->padata_pending, 0, __ATOMIC_RELEASE);",
     "an item is touched after it was run"),
]


@dataclass
class Mutant:
    name: str
    file: str
    begin: int
    end: int
    new: str
    kind: str  # "order", "step", "hand"
    line: int

    def apply(self, text):
        return text[: self.begin] + self.new + text[self.end:]


def masked(text):
    """The text with comments and strings blanked, positions kept."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"', blank, text, flags=re.S)


def function_at(code, position):
    """The name of the function that a position lies in."""
    name = ""
    for m in re.finditer(r"^[A-Za-z_][^;{}()=]*?(\w+)\(", code[:position], re.M):
        name = m.group(1)
    return name


def orders(code):
    for m in re.finditer(r"memory_order_(seq_cst|acq_rel|acquire|release)|__ATOMIC_(ACQUIRE|RELEASE)", code):
        old = m.group(1) or m.group(2).lower()
        prefix = "memory_order_" if m.group(1) else "__ATOMIC_"
        for new in WEAKER[old]:
            yield m.start(), m.end(), prefix + (new if m.group(1) else new.upper()), "order", f"{old} -> {new}"


def statement_end(code, position):
    depth = 0
    for i in range(position, len(code)):
        depth += (code[i] in "({") - (code[i] in ")}")
        if code[i] == ";" and depth == 0:
            return i + 1
    return None


def steps(code):
    for m in re.finditer(r"^\t+(" + "|".join(STEPS) + r")\(", code, re.M):
        end = statement_end(code, m.start(1))
        yield m.start(1), end, "(void)0;", "step", f"no {m.group(1)}"


def locks(code):
    pairs = {}
    for m in LOCK.finditer(code):
        pairs.setdefault((function_at(code, m.start()), m.group(1)), []).append(m)
    for (_, mutex), found in pairs.items():
        if len(found) < 2:
            continue
        begin, end = found[0].start(), found[-1].end()
        yield begin, end, None, "step", f"no lock of {mutex.split('->')[-1].lstrip('&')}"


def all_mutants(src, gone):
    """Every mutant; gone gets those of BY_HAND whose place is not there."""
    result = []
    for path in sorted(pathlib.Path(src).glob("*.[ch]")):
        if path.name in LEFT_OUT:
            continue
        text = path.read_text()
        code = masked(text)
        ordinals = {}
        found = [*orders(code), *steps(code), *locks(code)]
        for begin, end, new, kind, what in sorted(found, key=lambda f: f[:2]):
            if new is None:
                new = LOCK.sub("\t(void)0;", text[begin:end])
            base = f"{path.name}:{function_at(code, begin)}: {what}"
            ordinals[base] = ordinals.get(base, 0) + 1
            name = base if ordinals[base] == 1 else f"{base} ({ordinals[base]})"
            result.append(Mutant(name, path.name, begin, end, new, kind, text.count("\n", 0, begin) + 1))
        for file, old, new, what in BY_HAND:
            if file != path.name:
                continue
            begin = text.find(old)
            if begin < 0:
                gone.append(f"{file}: {what}")
                continue
            result.append(Mutant(f"{file}:{function_at(code, begin)}: {what}", file, begin, begin + len(old), new,
                                 "hand", text.count("\n", 0, begin) + 1))
    return result
