/*
 * What a forked process keeps of its descriptors.
 */
#include "io/inherit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { OPENED = 12 };

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* 0: exactly those named are left, of those that were opened. */
static int keep_in_child(const int *opened, int *keep, size_t count, unsigned wanted)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        bool right = inherit_only(keep, count) == 0 && is_open(STDERR_FILENO);
        for (int i = 0; i < OPENED; i++)
            right = right && is_open(opened[i]) == ((wanted >> i & 1) != 0);
        _exit(right ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static void open_all(int *ret_opened)
{
    for (int i = 0; i < OPENED; i++) {
        ret_opened[i] = open("/dev/null", O_RDONLY);
        CU_ASSERT_FATAL(ret_opened[i] >= 0);
    }
}

static void close_all(const int *opened)
{
    for (int i = 0; i < OPENED; i++)
        close(opened[i]);
}

static void those_named_are_left_in_whatever_order(void)
{
    int opened[OPENED];

    open_all(opened);
    int keep[] = {opened[7], -1, opened[0], opened[8], -1, opened[11], opened[7]};
    CU_ASSERT_EQUAL(keep_in_child(opened, keep, 7, 1u << 7 | 1u << 0 | 1u << 8 | 1u << 11), 0);
    close_all(opened);
}

static void nothing_is_left_where_nothing_is_named(void)
{
    int opened[OPENED], none[] = {-1, STDIN_FILENO};

    open_all(opened);
    CU_ASSERT_EQUAL(keep_in_child(opened, none, 2, 0), 0);
    CU_ASSERT_EQUAL(keep_in_child(opened, none, 0, 0), 0);
    close_all(opened);
}

static void all_are_left_where_all_are_named(void)
{
    int opened[OPENED], keep[OPENED];

    open_all(opened);
    for (int i = 0; i < OPENED; i++)
        keep[OPENED - 1 - i] = opened[i];
    CU_ASSERT_EQUAL(keep_in_child(opened, keep, OPENED, (1u << OPENED) - 1), 0);
    close_all(opened);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"those named are left, in whatever order", those_named_are_left_in_whatever_order},
        {"nothing is left where nothing is named", nothing_is_left_where_nothing_is_named},
        {"all are left where all are named", all_are_left_where_all_are_named},
    };
    return UNIT_RUN("inherit", tests);
}
