/* SPDX-License-Identifier: MIT */

/*
 * Mask change, stop, start and free against submissions: the protocol of src/, each access to shared memory one step,
 * in sequentially consistent memory (weaker memory is the deterministic scheduler's part). Checked: nothing
 * touches a freed instance; a task accepted under one mask completes before the next one is in force, in order,
 * and once; and everything ends: no lost wake-up, no waiting for ever.
 *
 * Names are those of src/. A slot is named by its sequence number: the ring's wrap is not part of this.
 */

#ifndef TASKS
#define TASKS 2 /* submissions of producer 0; producer 1, if there is one, has one */
#endif
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef SIZE
#define SIZE 1 /* the window */
#endif
#define SEQS (TASKS + 3)
#define NONE 255

#define IDLE 0
#define ACTIVE 1
#define POKED 2

#define RESTING 0
#define SEARCHING 1
#define WORKING 2

/* window: the gate's three parts change in one step, as one word does */
byte next;
bit stopped, changing;
byte claimed, taken;
bit published[SEQS];
bit done[SEQS];
byte token;         /* where it lies; NONE: somebody holds it */
byte cb[SEQS];
byte epoch_of[SEQS];
byte skipped;

/* crew */
byte searching, resting = 2;
bit rests[2] = {1, 1};

/* lanes, one for each worker */
byte inbox[2];
byte pushed[2];     /* in the inbox */
byte completed[2];
bit called[2];
bit queued[2];      /* the work item is queued, or the worker on its way */

/* who is inside: calls of producers 0 and 1, of the changer, of the stopper, and of workers; and the lanes */
bit in_call[4];
bit in_done[2];
bit in_lane[2];

/* changes */
bit usable[2] = {1, 1};
byte epoch;
bit change_lock, dying, quiescing;
bit awaited, permit;
byte awaits;        /* 0 nobody, 1 nothing outstanding, 2 lanes at rest */

/* the checks' own */
bit freed;
byte begun;         /* the last call of so many threads has begun */
byte accepted, delivered, serial_calls, ended;

#define TOUCH assert(!freed)
#define LIMIT (completed[0] + completed[1] + SIZE + skipped)
#define NOTHING_OUTSTANDING (LIMIT == next + SIZE)
#define LANES_REST (inbox[0] == IDLE && inbox[1] == IDLE)

/* crew.c, lane.c: call one that rests, if nobody searches */
inline call(who)
{
	atomic {
		TOUCH;
		if
		:: searching == 0 && resting > 0 ->
			searching++;
			resting--;
			if
			:: rests[0] -> rests[0] = 0; who = 0
			:: rests[1] -> rests[1] = 0; who = 1
			fi
		:: else -> who = NONE
		fi
	}
	if
	:: who != NONE ->
		atomic { TOUCH; called[who] = 1 }
		atomic {
			if
			:: inbox[who] == IDLE -> inbox[who] = ACTIVE
			:: inbox[who] == ACTIVE -> inbox[who] = POKED; who = NONE
			:: else -> who = NONE
			fi
		}
		if
		:: who != NONE -> queued[who] = 1; who = NONE
		:: else
		fi
	:: else
	fi
}

/* behind a heavy barrier */
inline look_again(who)
{
	if
	:: claimed < SEQS && published[claimed] -> call(who)
	:: else
	fi
}

/* await.c: under room_lock */
inline notify()
{
	if
	:: awaited ->
		atomic {
			TOUCH;
			if
			:: (awaits == 1 && NOTHING_OUTSTANDING) || (awaits == 2 && LANES_REST) -> permit = 1
			:: else
			fi
		}
	:: else
	fi
}

inline await(what, condition)
{
	atomic { awaits = what; awaited = 1 }
	do
	:: atomic { condition -> awaits = 0; awaited = 0; break }
	:: atomic { !(condition) -> skip }
		atomic { permit -> permit = 0 }
	od
}

/* window.c: the token, if it lies at a task that is done */
inline pick_up(seq, to)
{
	atomic {
		TOUCH;
		if
		:: token < SEQS && done[token] -> seq = token; token = NONE; to = 0
		:: else -> to = NONE
		fi
	}
}

/* lane.c: the holder of the token takes what is done, and leaves the token at the first that is not */
inline deliver(seq, to)
{
	pick_up(seq, to);
	if
	:: to != NONE ->
		do
		:: atomic {
			TOUCH;
			if
			:: seq < SEQS && done[seq] ->
				to = cb[seq];
				assert(seq == delivered + skipped);
				delivered++;
				seq++
			:: else -> to = NONE
			fi
		   }
		   if
		   :: to != NONE ->
			/* pd_inbox_push(); who finds it at rest queues the work item */
			atomic {
				TOUCH;
				pushed[to]++;
				if
				:: inbox[to] == IDLE -> inbox[to] = ACTIVE
				:: else -> to = NONE
				fi
			}
			if
			:: to != NONE -> queued[to] = 1; to = NONE
			:: else
			fi
		   :: else ->
			atomic { TOUCH; taken = seq }
			atomic { TOUCH; token = seq }
			pick_up(seq, to);
			if
			:: to == NONE -> break
			:: else
			fi
		   fi
		od;
		notify()
	:: else
	fi;
	seq = 0;
	to = NONE
}

proctype worker(bit l)
{
	byte mode = RESTING, seq, n, who = NONE;

sleep:
	atomic { queued[l] -> queued[l] = 0 }
	in_lane[l] = 1;
again:
	/* run_serial(): each completion is counted, and who waits is told */
	atomic {
		TOUCH;
		n = pushed[l];
		pushed[l] = 0;
		inbox[l] = ACTIVE
	}
	do
	:: n > 0 ->
		atomic {
			TOUCH;
			/* the callback, on a CPU of the mask */
			assert(usable[l]);
			serial_calls++;
			completed[l]++;
			n--
		}
		notify()
	:: else -> break
	od;
	/* answer_call() */
	atomic {
		TOUCH;
		if
		:: called[l] -> called[l] = 0; mode = SEARCHING
		:: else
		fi
	}
	/* work() */
	if
	:: mode != RESTING ->
		atomic {
			TOUCH;
			if
			:: claimed < SEQS && published[claimed] -> seq = claimed; claimed++; n = 1
			:: else -> n = 0
			fi
		}
		if
		:: n == 1 && mode == SEARCHING ->
			atomic { TOUCH; searching--; who = (searching == 0 && resting > 0 -> 0 : NONE) }
			mode = WORKING;
			if
			:: who == 0 -> look_again(who)
			:: else
			fi
		:: else
		fi;
		if
		:: n == 1 ->
			/* parallel() calls padata_do_serial(): its task may complete from here on */
			n = 0;
			in_done[l] = 1;
			atomic {
				TOUCH;
				assert(epoch_of[seq] == epoch && !done[seq]);
				done[seq] = 1
			}
			deliver(seq, who);
			in_done[l] = 0
		:: else ->
			/* rest() */
			atomic {
				TOUCH;
				rests[l] = 1;
				resting++;
				if
				:: mode == SEARCHING -> searching--; who = (searching == 0 -> 0 : NONE)
				:: else -> who = (searching == 0 && resting == 1 -> 0 : NONE)
				fi;
				mode = RESTING
			}
			if
			:: who == 0 -> look_again(who)
			:: else
			fi;
			notify()
		fi
	:: else
	fi;
	if
	:: mode != RESTING -> goto again
	:: else
	fi;
	atomic {
		TOUCH;
		if
		:: inbox[l] == ACTIVE && pushed[l] == 0 -> inbox[l] = IDLE; who = 0
		:: else -> who = NONE
		fi
	}
	if
	:: who == NONE -> goto again
	:: else
	fi;
	who = NONE;
	notify();
	in_lane[l] = 0;
	goto sleep
}

/* submit.c */
inline submit(p, cpu, last)
{
	atomic { in_call[p] = 1; begun = begun + last }
	do
	:: atomic { TOUCH; gate = next; shut = stopped || changing }
		if
		:: shut -> break
		:: else
		fi;
		atomic { TOUCH; shut = !usable[cpu] }
		if
		:: shut -> break
		:: else
		fi;
		if
		:: gate >= LIMIT -> TOUCH; break
		:: else
		fi;
		/* the compare-and-swap on the gate: with the checks' notes of who was accepted when */
		atomic {
			TOUCH;
			if
			:: next == gate && !stopped && !changing ->
				next++;
				accepted++;
				cb[gate] = cpu;
				epoch_of[gate] = epoch;
				shut = 0
			:: else -> shut = 1
			fi
		}
		if
		:: !shut ->
			atomic { TOUCH; assert(usable[cpu]); published[gate] = 1 }
			if
			:: searching == 0 && resting > 0 -> call(who)
			:: else
			fi;
			TOUCH;
			break
		:: else
		fi
	od;
	in_call[p] = 0;
	gate = 0;
	shut = 0
}

proctype producer(bit p)
{
	byte gate, who = NONE, left = (p == 0 -> TASKS : 1);
	bit shut, cpu;

	do
	:: left > 0 ->
		left--;
		/* the last one on the CPU that may go, others on either */
		if
		:: cpu = 1
		:: left > 0 -> cpu = 0
		fi;
		submit(p, cpu, (left == 0))
	:: else -> break
	od;
	ended++
}

/* quiesce.c */
inline quiesce(flag)
{
	atomic { changing = 1; stopped = stopped || flag }
	await(1, NOTHING_OUTSTANDING);
	/* one after the other, as the registry has them */
	!in_call[0];
	!in_call[1];
	!in_call[3];
	!in_done[0];
	!in_done[1];
	quiescing = 1;
	await(2, LANES_REST)
}

/* mask.c: CPU 1 is taken out */
proctype changer()
{
	bit may;

	atomic { in_call[2] = 1; begun++ }
	atomic { !change_lock -> TOUCH; change_lock = 1; may = !dying }
	if
	:: may ->
		quiesce(0);
		/* pd_window_skip(), and the masks; nobody else is here */
		atomic {
			assert(LANES_REST && NOTHING_OUTSTANDING && searching == 0);
			published[next] = 1;
			token = next + 1;
			claimed = next + 1;
			taken = next + 1;
			next++;
			skipped++;
			epoch++;
			usable[1] = 0;
			rests[1] = 0;
			rests[0] = 1;
			resting = 1
		}
		quiescing = 0;
		changing = 0
	:: else
	fi;
	atomic { TOUCH; change_lock = 0 }
	in_call[2] = 0;
	ended++
}

proctype stopper()
{
	in_call[3] = 1;
	atomic { TOUCH; stopped = 1 }
	in_call[3] = 0;
	atomic { TOUCH; begun++; stopped = 0 }
	ended++
}

/* instance.c: the caller sees to it that no call begins from now on */
proctype freer()
{
	begun == PRODUCERS + 2;
	atomic { !change_lock -> change_lock = 1 }
	dying = 1;
	quiesce(1);
	change_lock = 0;
	!in_call[0];
	!in_call[1];
	!in_call[2];
	!in_call[3];
	!in_done[0];
	!in_done[1];
	!in_lane[0];
	!in_lane[1];
	atomic {
		assert(accepted == serial_calls);
		freed = 1
	}
	ended++
}

init
{
	atomic {
		run worker(0);
		run worker(1);
		run producer(0);
#if PRODUCERS > 1
		run producer(1);
#endif
		run changer();
		run stopper();
		run freer()
	}
}

ltl everything_ends { <> (ended == PRODUCERS + 3) }
