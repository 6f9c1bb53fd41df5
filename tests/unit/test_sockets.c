/*
 * The run-dir and its sockets, and the images of a configuration: made all together or not at all.
 */
#include "controller/config/sockets.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/config/images.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/anyport-sockets-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static bool exists(const char *name)
{
    return access(in_folder(name), F_OK) == 0;
}

/* A configuration in the folder, from its text. */
static struct config *configure(const char *text)
{
    struct config_error why = {""};
    struct config *config = NULL;
    int error = config_parse(in_folder("lab.yaml"), text, strlen(text), &config, &why);

    if (error != 0)
        printf("%s\n", why.text);
    assert(error == 0);
    return config;
}

#define ELEMENTS                                                                                   \
    "elements:\n  - {name: d0, image: d0.img, size: 1MiB, controller: 0}\n"                        \
    "volumes:\n  - {name: v0, element: d0}\n"

static struct config *usual(void)
{
    return configure("array: lab\nrun-dir: lab.run\ncontrollers: 2\n" ELEMENTS);
}

/* The lowest descriptor that is free: the same before and after when nothing leaks. */
static int next_descriptor(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, in_folder(name));
    int error = connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    close(fd);
    return error;
}

/* --- sockets --- */

static void every_socket_is_made_and_taken_away(void)
{
    struct config *config = usual();
    struct array_sockets sockets;
    struct config_error why;
    struct stat status;
    int before = next_descriptor();

    CU_ASSERT_EQUAL_FATAL(sockets_open(config, &sockets, &why), 0);
    CU_ASSERT_EQUAL(connect_to("lab.run/front.sock"), 0);
    CU_ASSERT_EQUAL(connect_to("lab.run/c0.sock"), 0);
    CU_ASSERT_EQUAL(connect_to("lab.run/c1.sock"), 0);
    CU_ASSERT_EQUAL(connect_to("lab.run/admin.sock"), 0);
    CU_ASSERT_EQUAL(stat(in_folder("lab.run/admin.sock"), &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
    sockets_close_controller(&sockets, 1);
    CU_ASSERT_FALSE(exists("lab.run/c1.sock"));
    sockets_close(&sockets);
    CU_ASSERT_FALSE(exists("lab.run"));
    CU_ASSERT_EQUAL(next_descriptor(), before);
    config_free(config);
}

static void stale_sockets_are_replaced(void)
{
    struct config *config = usual();
    struct array_sockets sockets;
    struct config_error why;

    /* left by an array that was killed */
    CU_ASSERT_EQUAL_FATAL(sockets_open(config, &sockets, &why), 0);
    close(sockets.front.fd);
    close(sockets.admin.fd);
    for (int i = 0; i < 2; i++) {
        close(sockets.own[i].fd);
        close(sockets.handover[i].fd);
        free(sockets.own[i].path);
        free(sockets.handover[i].path);
    }
    close(sockets.lock_fd);
    close(sockets.run_dir_fd);
    free(sockets.front.path);
    free(sockets.admin.path);
    free(sockets.run_dir);
    CU_ASSERT_EQUAL(connect_to("lab.run/front.sock"), -ECONNREFUSED);

    CU_ASSERT_EQUAL_FATAL(sockets_open(config, &sockets, &why), 0);
    CU_ASSERT_EQUAL(connect_to("lab.run/front.sock"), 0);
    CU_ASSERT_EQUAL(connect_to("lab.run/c1.sock"), 0);
    sockets_close(&sockets);
    CU_ASSERT_TRUE(exists("lab.run")); /* it was there before */
    CU_ASSERT_EQUAL(rmdir(in_folder("lab.run")), 0);
    config_free(config);
}

/* A larger array ran here and died: its sockets are gone, and what is no socket is not touched. */
static void sockets_of_a_larger_array_are_removed(void)
{
    struct config *config = usual();
    struct array_sockets sockets;
    struct config_error why;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(mkdir(in_folder("lab.run"), 0700) == 0);
    strcpy(address.sun_path, in_folder("lab.run/c2.sock"));
    assert(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    close(fd);
    close(open(in_folder("lab.run/c63.sock"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CU_ASSERT_EQUAL_FATAL(sockets_open(config, &sockets, &why), 0);
    CU_ASSERT_TRUE(exists("lab.run/c1.sock"));
    CU_ASSERT_FALSE(exists("lab.run/c2.sock"));
    CU_ASSERT_TRUE(exists("lab.run/c63.sock"));
    sockets_close(&sockets);
    assert(unlink(in_folder("lab.run/c63.sock")) == 0 && rmdir(in_folder("lab.run")) == 0);
    config_free(config);
}

static void the_first_address_that_is_here_is_taken(void)
{
    /* 192.0.2.1 is for documentation: no machine has it. */
    struct sockaddr_in far = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct addrinfo last = {
        .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&here, .ai_addrlen = sizeof here};
    struct addrinfo middle = {.ai_family = AF_INET,
                              .ai_addr = (struct sockaddr *)&far,
                              .ai_addrlen = sizeof far,
                              .ai_next = &last};
    struct addrinfo first = {.ai_family = AF_MAX - 1, .ai_next = &middle};
    struct sockaddr_in bound;
    socklen_t bytes = sizeof bound;
    int fd = -1;

    CU_ASSERT_EQUAL_FATAL(sockets_listen_tcp(&first, &fd), 0);
    CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&bound, &bytes), 0);
    CU_ASSERT_EQUAL(bound.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    /* One that is here but taken is no reason to listen elsewhere. */
    here.sin_port = bound.sin_port;
    last.ai_next = &middle;
    middle.ai_next = NULL;
    int other = -1;
    CU_ASSERT_EQUAL(sockets_listen_tcp(&last, &other), -EADDRINUSE);
    CU_ASSERT_EQUAL(sockets_listen_tcp(&middle, &other), -EADDRNOTAVAIL);
    CU_ASSERT_EQUAL(other, -1);
    close(fd);
}

static void a_run_dir_holds_one_array(void)
{
    struct config *config = usual();
    struct array_sockets sockets, second;
    struct config_error why;

    CU_ASSERT_EQUAL_FATAL(sockets_open(config, &sockets, &why), 0);
    int before = next_descriptor();
    CU_ASSERT_EQUAL(sockets_open(config, &second, &why), -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "an array is running in"));
    CU_ASSERT_EQUAL(next_descriptor(), before);
    CU_ASSERT_EQUAL(connect_to("lab.run/front.sock"), 0); /* and did the first one no harm */
    sockets_close(&sockets);
    config_free(config);
}

static void a_port_in_use_leaves_nothing(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof any;
    int used = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct array_sockets sockets;
    struct config_error why;
    char text[512];

    assert(bind(used, (struct sockaddr *)&any, sizeof any) == 0 && listen(used, 1) == 0);
    assert(getsockname(used, (struct sockaddr *)&any, &bytes) == 0);
    snprintf(text, sizeof text,
             "array: lab\nrun-dir: tcp.run\nports: {tcp: '127.0.0.1:%u'}\n" ELEMENTS,
             ntohs(any.sin_port));
    struct config *config = configure(text);
    int before = next_descriptor();
    CU_ASSERT_EQUAL(sockets_open(config, &sockets, &why), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "ports.tcp"));
    CU_ASSERT_FALSE(exists("tcp.run"));
    CU_ASSERT_EQUAL(next_descriptor(), before);
    config_free(config);
    close(used);
}

static void ports_that_the_system_chooses_are_told(void)
{
    struct config *config = configure(
        "array: lab\nrun-dir: tcp.run\ncontrollers: 2\nports: {tcp: '127.0.0.1:0'}\n" ELEMENTS);
    struct array_sockets sockets;
    struct config_error why;

    CU_ASSERT_EQUAL_FATAL(sockets_open(config, &sockets, &why), 0);
    CU_ASSERT_TRUE(sockets.front_tcp.port != 0 && sockets.own_tcp[1].port != 0);
    CU_ASSERT_NOT_EQUAL(sockets.own_tcp[0].port, sockets.own_tcp[1].port);
    sockets_close(&sockets);
    config_free(config);
}

static void a_run_dir_that_cannot_be_is_refused(void)
{
    static const char *const texts[] = {
        "array: lab\nrun-dir: no/folder\n" ELEMENTS,
        "array: lab\nrun-dir: lab.yaml\n" ELEMENTS,
        "array: lab\nrun-dir: "
        "a-folder-whose-name-is-so-long-that-no-socket-in-it-could-ever-be-bound-because-the-path-"
        "of-a-socket-is-limited\n" ELEMENTS,
    };
    int fd = open(in_folder("lab.yaml"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    close(fd);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *config = configure(texts[i]);
        struct array_sockets sockets;
        struct config_error why = {""};
        int before = next_descriptor();
        CU_ASSERT_TRUE(sockets_open(config, &sockets, &why) < 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "run-dir"));
        CU_ASSERT_EQUAL(next_descriptor(), before);
        config_free(config);
    }
    CU_ASSERT_EQUAL(unlink(in_folder("lab.yaml")), 0);
}

/* --- images --- */

static void missing_images_are_made_and_kept(void)
{
    struct config *config = usual();
    struct images images;
    struct config_error why;
    int before = next_descriptor();

    CU_ASSERT_EQUAL(images_check(config, &why), 0);
    CU_ASSERT_FALSE(exists("d0.img"));
    CU_ASSERT_EQUAL_FATAL(images_open(config, &images, &why), 0);
    CU_ASSERT_EQUAL(images.elements[0].size_bytes, 1 << 20);
    CU_ASSERT_EQUAL(images_check(config, &why), -EBUSY);
    images_close(&images);
    CU_ASSERT_TRUE(exists("d0.img"));
    CU_ASSERT_EQUAL(images_check(config, &why), 0);
    CU_ASSERT_EQUAL(unlink(in_folder("d0.img")), 0);
    CU_ASSERT_EQUAL(next_descriptor(), before);
    config_free(config);
}

static void one_bad_image_and_none_is_made(void)
{
    static const struct {
        const char *second;
        int error;
    } bad[] = {
        {"{name: d1, image: short.img, size: 2MiB, controller: 0}", -EINVAL},
        {"{name: d1, image: no/where.img, size: 2MiB, controller: 0}", -ENOENT},
        {"{name: d1, image: unsized.img, controller: 0}", -ENOENT},
        {"{name: d1, image: huge.img, size: 1PiB, controller: 0}", -EFBIG},
        {"{name: d1, image: link.img, size: 1MiB, controller: 0}", -EEXIST}, /* d0.img again */
    };
    int fd = open(in_folder("short.img"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert(ftruncate(fd, 1 << 20) == 0 && close(fd) == 0);
    assert(symlink("d0.img", in_folder("link.img")) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "array: lab\nelements:\n  - {name: d0, image: d0.img, size: 1MiB, controller: 0}\n"
                 "  - %s\nvolumes:\n  - {name: v0, element: d0}\n",
                 bad[i].second);
        struct config *config = configure(text);
        struct images images = {0};
        struct config_error why = {""};
        int before = next_descriptor(), error = images_open(config, &images, &why);
        if (i + 1 < sizeof bad / sizeof *bad)
            CU_ASSERT_EQUAL(error, bad[i].error);
        CU_ASSERT_TRUE(error < 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "elements[1] (d1)"));
        CU_ASSERT_PTR_NULL(images.elements);
        CU_ASSERT_FALSE(exists("d0.img"));
        CU_ASSERT_EQUAL(next_descriptor(), before);
        config_free(config);
    }
    CU_ASSERT_EQUAL(unlink(in_folder("short.img")), 0);
    CU_ASSERT_EQUAL(unlink(in_folder("link.img")), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every socket is made and taken away", every_socket_is_made_and_taken_away},
        {"stale sockets are replaced", stale_sockets_are_replaced},
        {"sockets of a larger array are removed", sockets_of_a_larger_array_are_removed},
        {"the first address that is here is taken", the_first_address_that_is_here_is_taken},
        {"a run-dir holds one array", a_run_dir_holds_one_array},
        {"a port in use leaves nothing", a_port_in_use_leaves_nothing},
        {"ports that the system chooses are told", ports_that_the_system_chooses_are_told},
        {"a run-dir that cannot be is refused", a_run_dir_that_cannot_be_is_refused},
        {"missing images are made and kept", missing_images_are_made_and_kept},
        {"one bad image and none is made", one_bad_image_and_none_is_made},
    };

    if (mkdtemp(folder) == NULL)
        return 1;
    int status = UNIT_RUN("sockets and images", tests);
    if (rmdir(folder) < 0) /* everything was taken away */
        status = 1;
    return status;
}
