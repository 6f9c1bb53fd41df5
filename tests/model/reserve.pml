/*
 * The order of reservations and the hand-off (shm/order.h, shm/conflict.h, shm/reserve.c).
 *
 * Two to four controllers, one place each. Each publishes, is numbered, looks whether it is grantable, is
 * held and waits to be told, or works, and releases with its search of the conflict table. Some of them
 * are killed between any two of their steps, and a survivor recovers them, while the others go on.
 *
 * A step is one load, store or compare-and-swap of shared memory, and all that its process then does
 * by itself until the next: what nobody else can see makes no states. A loaded value that nobody can
 * change meanwhile (one's own word once it is numbered, until it is freed) is no step either.
 *
 * Checked: never two at work that conflict (assertion), and nobody held for ever (an invalid end
 * state: somebody waits to be told, and nobody else can move).
 *
 *      N                   controllers: 2, 3 or 4
 *      ROUNDS              reservations of controller 0, one after the other; the others make one
 *      CHAIN               0 and 2 do not conflict with each other (both share); or else all do;
 *                          for 3 controllers at most
 *      DEATHS              so many are killed; who dies at a recovery is one of them, and then the
 *                          recovery is made again
 *      NO_SECOND_LOOK      a defect: held without looking once more
 *      SEARCH_BEFORE_FREE  a defect: looks for entries before its word is freed
 *      NO_HELP             a defect: takes no notice of words that have no number yet
 *      NO_RECOVERY_SEARCH  a defect: recovery frees words and tells nobody
 *      NO_TELLING_AGAIN    a defect: recovery tells nobody of what was handed over before
 */
#ifndef N
#define N 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

/* Words and entries: a state, and a number, nonce or generation. */
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
/* The first place from `at` on that conflicts with `place`, or N. Never two in a row do not. */
#define SEEK(at, place) ((at) + ((at) < N && !CONFLICT(at, place)))

byte word[N];
byte entry[N];
byte told[N];    /* the latest generation that its owner was notified of; it ignores older ones */
bool at_work[N]; /* not in the real table: what it protects */
byte deaths = DEATHS;

/* What a controller does next. */
mtype = {
    PUBLISH,
    SCAN, SWAP,                         /* a number for the pending word at `numbered` */
    LOOK, LOOK_AGAIN,                   /* whether the word at `judged` may go on */
    HOLD, WAIT, END_ENTRY,
    RELEASE, SEARCH, ENTRY, HAND, TELL, /* to whoever is held at `i` */
    CLEAR, LEFT, TAKE_AWAY,             /* what a dead controller left */
    END
}

inline number(place, w)
{
    numbered = place; pending = w; j = SEEK(0, place); next = (j < N -> SCAN : SWAP)
}

inline judge(place, w)
{
    judged = place; x = w; k = SEEK(0, place); next = LOOK
}

/* Of `other` at k, which has no part in it unless it is numbered. */
inline compare()
{
    if
    :: STATE(other) == 2 && BEFORE(other, k, x, judged) -> verdict(false)
    :: else ->
        k = SEEK(k + 1, judged);
        if
        :: k < N -> next = LOOK
        :: else -> verdict(true)
        fi
    fi;
    other = 0
}

/* Whether the word at `judged` may go on is known. */
inline verdict(grantable)
{
    k = 0; x = 0;
    if
    :: offering && grantable -> next = HAND
    :: offering && !grantable -> search_on()
    :: !offering && grantable -> go_to_work()
    :: !offering && !grantable -> next = (looked_once_more -> WAIT : HOLD); looked_once_more = false
    fi
}

inline go_to_work()
{
    assert(!(CONFLICT(me, 0) && at_work[0]));
    assert(!(CONFLICT(me, 1) && at_work[1]));
#if N > 2
    assert(!(CONFLICT(me, 2) && at_work[2]));
#endif
#if N > 3
    assert(!(CONFLICT(me, 3) && at_work[3]));
#endif
    at_work[me] = true;
    looked_once_more = false;
    judged = 0;
    next = (entry[me] != FREE -> END_ENTRY : RELEASE)
}

inline release()
{
    word[me] = FREE;
    at_work[me] = false
}

inline search(from)
{
    offering = true;
    i = (dead -> from : SEEK(from, me));
    w = 0; e = 0; judged = 0;
    if
    :: i < N -> next = SEARCH
    :: else -> searched()
    fi
}

inline search_on()
{
    search(i + 1)
}

inline searched()
{
    offering = false;
    i = 0;
#ifdef SEARCH_BEFORE_FREE
    if
    :: !dead -> release()
    :: else
    fi;
#endif
    end_round()
}

inline end_round()
{
    rounds = (dead -> 0 : rounds - 1);
    next = (rounds > 0 -> PUBLISH : END)
}

/* States that differ in what nobody will use are one. */
inline forget()
{
    numbered = 0; pending = 0; j = 0; highest = 0;
    judged = 0; x = 0; k = 0; other = 0; looked_once_more = false;
    offering = false; i = 0; w = 0; e = 0; nonce = 0; generation = 0; rounds = 0
}

proctype Controller(byte me; byte rounds)
{
    mtype next = PUBLISH;
    byte numbered, pending, j, highest;
    byte judged, x, k, other;
    byte i, w, e;
    byte nonce, generation;
    bool looked_once_more, offering, dead;

    do
    :: d_step { next == PUBLISH ->
            nonce++;
            word[me] = PENDING(nonce);
            number(me, PENDING(nonce))
        }
    :: d_step { next == SCAN ->
            if
            :: STATE(word[j]) == 2 && VALUE(word[j]) > highest -> highest = VALUE(word[j])
            :: else
            fi;
            j = SEEK(j + 1, numbered);
            next = (j < N -> SCAN : SWAP)
        }
    :: d_step { next == SWAP ->
            if
            :: word[numbered] == pending -> word[numbered] = NUMBER(highest + 1)
            :: else
            fi;
            highest = 0; j = 0; pending = 0;
            if
            :: other != 0 -> next = LOOK_AGAIN
            :: else -> judge(me, word[me])
            fi;
            numbered = 0
        }
    :: d_step { next == LOOK ->
            other = word[k];
#ifndef NO_HELP
            if
            :: STATE(other) == 1 -> number(k, other)
            :: else -> compare()
            fi
#else
            compare()
#endif
        }
    :: d_step { next == LOOK_AGAIN ->
            other = word[k];
            compare()
        }
    :: d_step { next == HOLD ->
            generation++;
            entry[me] = WAITING(generation);
#ifdef NO_SECOND_LOOK
            judged = 0;
            next = WAIT
#else
            looked_once_more = true;
            judge(me, word[me])
#endif
        }
    :: d_step { next == WAIT && told[me] == generation ->
            judge(me, word[me])
        }
    :: d_step { next == END_ENTRY ->
            entry[me] = FREE;
            next = RELEASE
        }
    :: d_step { next == RELEASE ->
#ifndef SEARCH_BEFORE_FREE
            release();
#endif
            search(0)
        }
    :: d_step { next == SEARCH ->
            w = word[i];
            if
            :: STATE(w) == 2 -> next = ENTRY
            :: else -> search_on()
            fi
        }
    :: d_step { next == ENTRY ->
            e = entry[i];
            if
            :: STATE(e) == 1 -> judge(i, w)
#ifndef NO_TELLING_AGAIN
            :: STATE(e) == 2 && dead -> next = TELL /* perhaps nobody did */
#endif
            :: else -> search_on()
            fi
        }
    :: d_step { next == HAND ->
            if
            :: entry[i] == e -> entry[i] = HANDED(VALUE(e)); next = TELL
            :: else -> search_on()
            fi
        }
    :: d_step { next == TELL ->
            told[i] = (VALUE(e) > told[i] -> VALUE(e) : told[i]);
            search_on()
        }
#if DEATHS > 0
    /* It dies; from here on this process is the survivor that recovers it. */
    :: d_step { next != END && deaths > 0 ->
            deaths--;
            forget();
            dead = true;
            next = CLEAR
        }
    :: d_step { next == CLEAR ->
            entry[me] = FREE;
            next = LEFT
        }
    :: d_step { next == LEFT ->
            w = word[me];
            next = TAKE_AWAY
        }
    :: d_step { next == TAKE_AWAY ->
            if
            :: word[me] != w -> next = LEFT /* a helper has numbered it */
            :: else ->
                release();
#ifdef NO_RECOVERY_SEARCH
                w = 0;
                next = END
#else
                search(0)
#endif
            fi
        }
#endif
    :: next == END -> break
    od
}

init
{
    atomic {
        run Controller(0, ROUNDS);
        run Controller(1, 1);
#if N > 2
        run Controller(2, 1);
#endif
#if N > 3
        run Controller(3, 1)
#endif
    }
}
