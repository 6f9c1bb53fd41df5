/*
 * The order of reservations and the hand-off (shm/order.h, shm/conflict.h, shm/reserve.c), every load,
 * store and compare-and-swap of shared memory being one step.
 *
 * Three controllers, one place each. Each publishes, is numbered, looks whether it is grantable, is
 * held and waits to be told, or works, and releases with its search of the conflict table. One of them
 * is killed between any two of its steps, and a survivor recovers it.
 *
 * Checked: never two at work that conflict (assertion), and nobody held for ever (an invalid end
 * state: somebody waits to be told, and nobody else can move).
 *
 *      N                   controllers: 3, or 2
 *      ROUNDS              reservations of controller 0, one after the other; the others make one
 *      CHAIN               0 and 2 do not conflict with each other (both share); or else all do
 *      CRASH               one is killed
 *      NO_SECOND_LOOK      a defect: held without looking once more
 *      SEARCH_BEFORE_FREE  a defect: looks for entries before its word is freed
 *      NO_HELP             a defect: takes no notice of words that have no number yet
 *      NO_RECOVERY_SEARCH  a defect: recovery frees words and tells nobody
 */
#ifndef N
#define N 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif

#define FREE       0
#define PENDING(n) (1 + 4 * (n))
#define NUMBER(n)  (2 + 4 * (n))
#define WAITING(n) (1 + 4 * (n))
#define HANDED(n)  (2 + 4 * (n))
#define STATE(w)   ((w) % 4)
#define VALUE(w)   ((w) / 4)

#ifdef CHAIN
#define CONFLICT(a, b) ((a) != (b) && (a) + (b) != 2)
#else
#define CONFLICT(a, b) ((a) != (b))
#endif
#define BEFORE(w, at, x, place) \
    (VALUE(w) < VALUE(x) || (VALUE(w) == VALUE(x) && (at) < (place)))

byte word[3];
byte entry[3];
bool told[3];
bool at_work[3]; /* not in the real table: what it protects */
bool killed[3];

/* Gives the pending word `w` at place v its number, whoever we are. Each look at a word is a step
 * of its own, and so is the swap. */
inline number(v, w)
{
    do
    :: d_step { j < N ->
            if
            :: CONFLICT(j, v) && STATE(word[j]) == 2 && VALUE(word[j]) > highest ->
                highest = VALUE(word[j])
            :: else
            fi;
            j++
        }
    :: else -> break
    od;
    skip; /* a jump must not lead into a d_step */
    d_step {
        if
        :: word[v] == w -> word[v] = NUMBER(highest + 1)
        :: else
        fi;
        j = 0;
        highest = 0
    }
}

/* Sets `ok` to whether the numbered word x at `place` may go on. */
inline grantable(place, x)
{
    ok = true;
    do
    :: k < N && ok ->
        d_step { other = (CONFLICT(k, place) -> word[k] : FREE) }
#ifndef NO_HELP
        if
        :: STATE(other) == 1 ->
            number(k, other);
            other = word[k]
        :: else
        fi;
#endif
        d_step {
            ok = !(STATE(other) == 2 && BEFORE(other, k, x, place));
            k++;
            other = 0
        }
    :: else -> break
    od;
    k = 0
}

/* Hands on to whoever conflicts with place p, is held, and may go on. */
inline hand_off(p)
{
    do
    :: i < N ->
        d_step { w = (CONFLICT(i, p) -> word[i] : FREE) }
        offer();
        d_step { i++; w = 0 }
    :: else -> break
    od;
    i = 0
}

inline offer()
{
    if
    :: STATE(w) == 2 ->
        e = entry[i];
        if
        :: STATE(e) == 1 ->
            grantable(i, w);
            if
            :: ok ->
                d_step {
                    if
                    :: entry[i] == e -> entry[i] = HANDED(VALUE(e)); ok = true
                    :: else -> ok = false
                    fi
                }
                if
                :: ok -> told[i] = true
                :: else
                fi
            :: else
            fi
        :: else
        fi;
        e = 0
    :: else
    fi
}

/* States that differ in what nobody will use are one. */
inline forget()
{
    i = 0; j = 0; k = 0; w = 0; e = 0; other = 0; highest = 0; ok = false
}

proctype Controller(byte me; byte rounds)
{
    byte i, j, k, w, e, other, highest, mine;
    byte nonce = 0, generation = 0;
    bool ok;

    {
        do
        :: rounds > 0 ->
            nonce++;
            word[me] = PENDING(nonce);
            number(me, PENDING(nonce));
            mine = word[me];
            grantable(me, mine);
            do
            :: !ok ->
                generation++;
                entry[me] = WAITING(generation);
#ifndef NO_SECOND_LOOK
                grantable(me, mine);
                if
                :: ok -> break
                :: else
                fi;
#endif
                told[me]; /* held until then */
                told[me] = false;
                grantable(me, mine)
            :: else -> break
            od;
            entry[me] = 0;
            ok = false;
            atomic {
                assert(!(CONFLICT(me, 0) && at_work[0]));
                assert(!(CONFLICT(me, 1) && at_work[1]));
                assert(!(CONFLICT(me, 2) && at_work[2]));
                at_work[me] = true
            }
            at_work[me] = false;
#ifdef SEARCH_BEFORE_FREE
            hand_off(me);
#endif
            word[me] = FREE;
#ifndef SEARCH_BEFORE_FREE
            hand_off(me);
#endif
            d_step { forget(); mine = 0; rounds-- }
        :: else -> break
        od;
        skip;
        d_step { nonce = 0; generation = 0 }
    } unless {
        killed[me]; /* and what it had in mind makes no difference any more */
        d_step { forget(); mine = 0; nonce = 0; generation = 0; rounds = 0 }
    }
}

#ifdef CRASH
/* What a survivor does about the dead one. */
proctype Recoverer(byte dead)
{
    byte i, j, k, w, e, other, highest;
    bool ok;

    entry[dead] = 0;
    do
    :: w = word[dead];
        if
        :: w == FREE -> break
        :: else ->
            d_step {
                if
                :: word[dead] == w -> word[dead] = FREE; at_work[dead] = false; ok = true
                :: else -> ok = false
                fi
            }
            if
            :: ok -> break
            :: else
            fi
        fi
    od;
    w = 0;
#ifndef NO_RECOVERY_SEARCH
    do
    :: i < N ->
        w = word[i];
        if
        :: STATE(w) == 2 && STATE(entry[i]) == 2 -> told[i] = true
        :: else -> offer()
        fi;
        d_step { i++; w = 0 }
    :: else -> break
    od;
#endif
    skip;
    d_step { forget() }
}

proctype Killer()
{
    byte victim;

    if
    :: victim = 0
    :: victim = 1
#if N > 2
    :: victim = 2
#endif
    fi;
    killed[victim] = true;
    run Recoverer(victim)
}
#endif

init
{
    atomic {
        run Controller(0, ROUNDS);
        run Controller(1, 1);
#if N > 2
        run Controller(2, 1);
#endif
#ifdef CRASH
        run Killer()
#endif
    }
}
