#include "tests/sim/fiber.h"

#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 512 << 10 };

struct fiber {
    ucontext_t context; /* to enter it */
    jmp_buf place;      /* where it gave way */
    int is_entered;
    struct fiber *next_free;
    void (*main)(void *argument);
    void *argument;
    char *stack;
    void *fake_stack; /* the sanitizer's */
};

/* The scheduler's side, and who runs. One thread: nothing of this is shared. */
static ucontext_t outside;
static jmp_buf outside_place;
static struct fiber *running;
static struct fiber *free_fibers;
#if defined(__SANITIZE_ADDRESS__)
static const void *outside_stack;
static size_t outside_bytes;
static void *outside_fake_stack;
#endif

/* The address sanitizer keeps shadows of stacks, and must be told which one is in use. */
static void leave_for_fiber(struct fiber *fiber)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&outside_fake_stack, fiber->stack, STACK_BYTES);
#else
    (void)fiber;
#endif
}

static void arrive_outside(void)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(outside_fake_stack, NULL, NULL);
#endif
}

static void leave_for_outside(struct fiber *fiber)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fiber->fake_stack, outside_stack, outside_bytes);
#else
    (void)fiber;
#endif
}

static void arrive_in_fiber(struct fiber *fiber)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &outside_stack, &outside_bytes);
#else
    (void)fiber;
#endif
}

static void enter(void)
{
    struct fiber *self = running;

    arrive_in_fiber(self);
    self->main(self->argument);
    fiber_give_way();
    abort(); /* nobody resumes one whose main has returned */
}

/* On its own: getcontext is one of the functions that return twice, and a caller's variables might
 * not survive that. */
static void get_context(ucontext_t *ret_context)
{
    int error = getcontext(ret_context);

    assert(error == 0);
}

struct fiber *fiber_new(void (*main)(void *argument), void *argument)
{
    struct fiber *fiber = free_fibers;

    if (fiber != NULL) {
        free_fibers = fiber->next_free;
    } else {
        fiber = calloc(1, sizeof *fiber);
        assert(fiber != NULL);
        fiber->stack = malloc(STACK_BYTES);
        assert(fiber->stack != NULL);
    }
    fiber->main = main;
    fiber->argument = argument;
    fiber->fake_stack = NULL;
    fiber->is_entered = 0;
    get_context(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, enter, 0);
    return fiber;
}

/* A fiber is entered by swapcontext, which makes a system call to change the mask of signals; from
 * then on jumps suffice, on stacks that stay. */
static void enter_or_go_on(struct fiber *fiber)
{
    if (_setjmp(outside_place) != 0)
        return;
    if (fiber->is_entered)
        _longjmp(fiber->place, 1);
    fiber->is_entered = 1;
    int error = swapcontext(&outside, &fiber->context);
    assert(error == 0);
}

void fiber_resume(struct fiber *fiber)
{
    assert(running == NULL);
    running = fiber;
    leave_for_fiber(fiber);
    enter_or_go_on(fiber);
    arrive_outside();
    running = NULL;
}

static void go_outside(struct fiber *self)
{
    if (_setjmp(self->place) == 0)
        _longjmp(outside_place, 1);
}

void fiber_give_way(void)
{
    struct fiber *self = running;

    assert(self != NULL);
    leave_for_outside(self);
    go_outside(self);
    arrive_in_fiber(self);
}

int fiber_is_running(void)
{
    return running != NULL;
}

void fiber_free(struct fiber *fiber)
{
    if (fiber == NULL)
        return;
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, STACK_BYTES); /* it may have ended in the middle */
#endif
    fiber->next_free = free_fibers;
    free_fibers = fiber;
}
