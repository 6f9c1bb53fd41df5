/* Options with structured data: INFO, GO, and metadata contexts. */
#include "hostif/nbd_parse.h"
#include "tests/unit/unit.h"
#include "tests/unit/talk.h"

/* --- INFO, GO --- */

static void info_shows_what_is_asked_for(void)
{
    static const uint16_t all[] = {0, 1, 2, 3};

    for (uint32_t option = NBD_OPT_INFO; option <= NBD_OPT_GO; option++) {
        const enum negotiate_phase phase =
            option == NBD_OPT_GO ? NEGOTIATE_TRANSMISSION : NEGOTIATE_OPTION;

        begin_fixed(); /* the size is always shown */
        say_info(option, "vol0", 0, NULL);
        expect_info_export(option, 1 << 30, FLAGS);
        expect_ack(option);
        check(phase);

        for (uint16_t item = 0; item <= NBD_INFO_BLOCK_SIZE; item++) {
            begin_fixed();
            say_info(option, "vol0", 1, &item);
            expect_info_export(option, 1 << 30, FLAGS);
            if (item == NBD_INFO_NAME)
                expect_info_text(option, NBD_INFO_NAME, "vol0");
            if (item == NBD_INFO_DESCRIPTION)
                expect_info_text(option, NBD_INFO_DESCRIPTION, "the first");
            if (item == NBD_INFO_BLOCK_SIZE)
                expect_info_block_size(option);
            expect_ack(option);
            check(phase);
        }

        begin_structured(); /* the longest answer that there is */
        say_info(option, LONGEST_NAME, 4, all);
        expect_info_export(option, 512, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_DF);
        expect_info_text(option, NBD_INFO_NAME, LONGEST_NAME);
        expect_info_text(option, NBD_INFO_DESCRIPTION, LONGEST_DESCRIPTION);
        expect_info_block_size(option);
        expect_ack(option);
        check(phase);
    }
}

static void the_default_export_is_told_by_its_name(void)
{
    static const uint16_t name = NBD_INFO_NAME;

    begin_fixed();
    say_info(NBD_OPT_GO, "", 1, &name);
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS);
    expect_info_text(NBD_OPT_GO, NBD_INFO_NAME, "vol0");
    expect_ack(NBD_OPT_GO);
    CU_ASSERT_EQUAL(check(NEGOTIATE_TRANSMISSION)->info.volume, 7);
}

static void there_is_no_empty_description(void)
{
    static const uint16_t description = NBD_INFO_DESCRIPTION;

    begin_fixed();
    say_info(NBD_OPT_GO, "vol1", 1, &description);
    expect_info_export(NBD_OPT_GO, UINT64_C(5) << 40, FLAGS | NBD_FLAG_READ_ONLY);
    expect_ack(NBD_OPT_GO);
    check(NEGOTIATE_TRANSMISSION);
}

static void unknown_and_repeated_info_requests_are_ignored(void)
{
    static const uint16_t requests[] = {4, 0x8000, 0xffff, 35, 3, 33, 3, 3, 67, 32};
    static uint16_t many_requests[32000];

    begin_fixed();
    say_info(NBD_OPT_GO, "vol0", 10, requests);
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS);
    expect_info_block_size(NBD_OPT_GO);
    expect_ack(NBD_OPT_GO);
    check(NEGOTIATE_TRANSMISSION);

    memset(many_requests, 0xff, sizeof(many_requests));
    begin_fixed();
    say_info(NBD_OPT_GO, "vol0", 32000, many_requests);
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS);
    expect_ack(NBD_OPT_GO);
    check_portions(&catalog, NEGOTIATE_TRANSMISSION, 0, 999);
}

static void df_is_shown_with_structured_replies_only(void)
{
    begin_fixed();
    say_info(NBD_OPT_INFO, LONGEST_NAME, 0, NULL); /* whose catalog entry has it set */
    expect_info_export(NBD_OPT_INFO, 512, NBD_FLAG_HAS_FLAGS);
    expect_ack(NBD_OPT_INFO);
    say_option(NBD_OPT_STRUCTURED_REPLY);
    expect_ack(NBD_OPT_STRUCTURED_REPLY);
    say_option(NBD_OPT_STRUCTURED_REPLY); /* again: no harm */
    expect_ack(NBD_OPT_STRUCTURED_REPLY);
    say_info(NBD_OPT_INFO, "vol0", 0, NULL);
    expect_info_export(NBD_OPT_INFO, 1 << 30, FLAGS | NBD_FLAG_SEND_DF);
    expect_ack(NBD_OPT_INFO);
    say_go("vol0");
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS | NBD_FLAG_SEND_DF);
    expect_ack(NBD_OPT_GO);
    CU_ASSERT_EQUAL(check(NEGOTIATE_TRANSMISSION)->info.transmission_flags,
                    FLAGS | NBD_FLAG_SEND_DF);
}

static void an_unknown_export_is_told_and_may_be_tried_again(void)
{
    begin_fixed();
    say_go("vol2");
    expect_error(NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, "GO: no such export");
    say_info(NBD_OPT_INFO, "vol2", 0, NULL);
    expect_error(NBD_OPT_INFO, NBD_REP_ERR_UNKNOWN, "INFO: no such export");
    say_go("vol0");
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS);
    expect_ack(NBD_OPT_GO);
    check(NEGOTIATE_TRANSMISSION);
}

/* One option with this payload is invalid and leaves the handshake where it was. */
static void check_malformed(uint32_t option, const char *text, const void *payload, size_t bytes)
{
    begin_structured();
    say_option_head(option, bytes);
    append(&said, payload, bytes);
    expect_error(option, NBD_REP_ERR_INVALID, text);
    finds = 0;
    check(NEGOTIATE_OPTION); /* nothing is read behind it, and what follows is found */
    check_goes_on();
    CU_ASSERT_EQUAL(finds, 0);
}

#define CHECK_MALFORMED(option, text, payload)                                                     \
    check_malformed(option, text, payload, sizeof(payload) - 1)

static void malformed_info_is_invalid(void)
{
    static const char text[] = "GO: malformed data";
    static uint8_t long_name[4 + EXPORT_NAME_BYTES_MAX + 1 + 2];

    CHECK_MALFORMED(NBD_OPT_GO, text, "");
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0");
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\x10\0vol0");
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vol0");     /* no count */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vol0\0");   /* half a count */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\5vol0\0\0"); /* name too long by 1 */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\3vol0\0\0"); /* too short by 1 */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\6vol0\0\0"); /* swallows the count */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\7vol0\0\0"); /* ends after the data */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\xff\xff\xff\xffvol0\0\0");
    CHECK_MALFORMED(NBD_OPT_GO, text, "\x80\0\0\4vol0\0\0");
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vol0\0\1");       /* a request short */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vol0\0\1\0");     /* half a request */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vol0\0\0\0\3");   /* one too many */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vol0\0\1\0\3\0"); /* one and a half */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vol0\x80\1\0\3"); /* 2 * 0x8001 in 16 bits is 2 */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\4vo\0000\0\0");    /* NUL within the name */
    CHECK_MALFORMED(NBD_OPT_GO, text, "\0\0\0\1\0\0\0");
    CHECK_MALFORMED(NBD_OPT_INFO, "INFO: malformed data", "\0\0\0\5vol0\0\0");

    memset(long_name, 'x', sizeof(long_name));
    put_be32(long_name, EXPORT_NAME_BYTES_MAX + 1);
    put_be16(long_name + sizeof(long_name) - 2, 0);
    check_malformed(NBD_OPT_GO, text, long_name, sizeof(long_name));
}

/* --- metadata contexts --- */

static void expect_all_contexts(uint32_t option, uint32_t first_id, uint32_t second_id)
{
    expect_context(option, first_id, "base:allocation");
    expect_context(option, second_id, "anyport:location");
    expect_ack(option);
}

static void contexts_are_listed_by_name_and_wildcard(void)
{
    enum { LIST = NBD_OPT_LIST_META_CONTEXT };

    begin_structured();
    SAY_CONTEXTS(LIST, "vol0", NULL); /* none means all */
    expect_all_contexts(LIST, 0, 0);
    SAY_CONTEXTS(LIST, "", "base:", "anyport:", NULL);
    expect_all_contexts(LIST, 0, 0);
    SAY_CONTEXTS(LIST, "vol0", "base:", NULL);
    expect_context(LIST, 0, "base:allocation");
    expect_ack(LIST);
    SAY_CONTEXTS(LIST, "vol0", "anyport:", NULL);
    expect_context(LIST, 0, "anyport:location");
    expect_ack(LIST);
    SAY_CONTEXTS(LIST, "vol0", "base:allocation", "base:allocation", "base:", NULL);
    expect_context(LIST, 0, "base:allocation"); /* once */
    expect_ack(LIST);
    SAY_CONTEXTS(LIST, "vol0", "anyport:location", "base:allocation", NULL);
    expect_all_contexts(LIST, 0, 0);
    CU_ASSERT_EQUAL(check_goes_on()->selected_contexts, 0); /* listing selects nothing */
}

static void contexts_that_are_not_known_are_ignored(void)
{
    for (uint32_t option = NBD_OPT_LIST_META_CONTEXT; option <= NBD_OPT_SET_META_CONTEXT;
         option++) {
        begin_structured();
        SAY_CONTEXTS(option, "vol0", "qemu:", "qemu:dirty-bitmap:x", "x-y:base:allocation", "", ":",
                     "base", "bas:allocation", "base:allocatio", "base:allocation2",
                     "base:Allocation", "anyport:locatio", "base:location",
                     "Base:", "base::", "\xff:\xfe", NULL);
        expect_ack(option);
        check_goes_on();
    }
}

static void contexts_may_be_listed_without_structured_replies(void)
{
    begin_fixed();
    SAY_CONTEXTS(NBD_OPT_LIST_META_CONTEXT, "vol0", "base:", NULL);
    expect_context(NBD_OPT_LIST_META_CONTEXT, 0, "base:allocation");
    expect_ack(NBD_OPT_LIST_META_CONTEXT);
    check_goes_on();
}

static void contexts_are_not_set_without_structured_replies(void)
{
    begin_fixed();
    SAY_CONTEXTS(NBD_OPT_SET_META_CONTEXT, "vol0", "base:allocation", NULL);
    expect_error(NBD_OPT_SET_META_CONTEXT, NBD_REP_ERR_INVALID,
                 "SET_META_CONTEXT: needs structured replies first");
    say_go("vol0");
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS);
    expect_ack(NBD_OPT_GO);
    CU_ASSERT_EQUAL(check(NEGOTIATE_TRANSMISSION)->selected_contexts, 0);
}

static void say_set_all(const char *name)
{
    SAY_CONTEXTS(NBD_OPT_SET_META_CONTEXT, name, "base:allocation", "anyport:location", NULL);
    expect_all_contexts(NBD_OPT_SET_META_CONTEXT, 1, 2);
}

/* Goes to vol0, and checks what is selected there. */
static void check_selected(uint32_t selected)
{
    const struct negotiate *negotiate;
    struct nbd_agreed agreed;

    say_go("vol0");
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS | NBD_FLAG_SEND_DF);
    expect_ack(NBD_OPT_GO);
    negotiate = check(NEGOTIATE_TRANSMISSION);
    CU_ASSERT_EQUAL(negotiate->selected_contexts, selected);
    negotiate_agreed(negotiate, &agreed);
    CU_ASSERT_EQUAL(agreed.meta_contexts, selected != 0);
}

static void contexts_are_set_by_name(void)
{
    enum { SET = NBD_OPT_SET_META_CONTEXT };

    begin_structured();
    say_set_all("vol0");
    check_selected(CONTEXT_BASE_ALLOCATION | CONTEXT_ANYPORT_LOCATION);

    begin_structured();
    SAY_CONTEXTS(SET, "vol0", "base:allocation", NULL);
    expect_context(SET, 1, "base:allocation");
    expect_ack(SET);
    check_selected(CONTEXT_BASE_ALLOCATION);

    begin_structured();
    SAY_CONTEXTS(SET, "vol0", "x-a:b", "anyport:location", "anyport:location", NULL);
    expect_context(SET, 2, "anyport:location");
    expect_ack(SET);
    check_selected(CONTEXT_ANYPORT_LOCATION);

    begin_structured(); /* wildcards select nothing */
    SAY_CONTEXTS(SET, "vol0", "base:", "anyport:", NULL);
    expect_ack(SET);
    check_selected(0);
}

static void setting_contexts_again_replaces_them(void)
{
    enum { SET = NBD_OPT_SET_META_CONTEXT };

    begin_structured();
    say_set_all("vol0");
    SAY_CONTEXTS(SET, "vol0", "anyport:location", NULL);
    expect_context(SET, 2, "anyport:location");
    expect_ack(SET);
    check_selected(CONTEXT_ANYPORT_LOCATION);

    begin_structured();
    say_set_all("vol0");
    SAY_CONTEXTS(SET, "vol0", NULL); /* none means none */
    expect_ack(SET);
    check_selected(0);
}

static void a_failed_set_clears_what_was_set(void)
{
    enum { SET = NBD_OPT_SET_META_CONTEXT };

    begin_structured();
    say_set_all("vol0");
    SAY_CONTEXTS(SET, "vol2", "base:allocation", NULL);
    expect_error(SET, NBD_REP_ERR_UNKNOWN, "SET_META_CONTEXT: no such export");
    check_selected(0);

    begin_structured();
    say_set_all("vol0");
    say_option_text(SET, "?");
    expect_error(SET, NBD_REP_ERR_INVALID, "SET_META_CONTEXT: malformed data");
    check_selected(0);

    begin_structured();
    say_set_all("vol0");
    say_option_head(SET, OPTION_BYTES_MAX + 1);
    append_fill(&said, 0, OPTION_BYTES_MAX + 1);
    expect_error(SET, NBD_REP_ERR_TOO_BIG, "SET_META_CONTEXT: too much data");
    check_selected(0);
}

static void other_options_keep_what_was_set(void)
{
    begin_structured();
    say_set_all("vol0");
    SAY_CONTEXTS(NBD_OPT_LIST_META_CONTEXT, "vol1", "x:", NULL);
    expect_ack(NBD_OPT_LIST_META_CONTEXT);
    say_info(NBD_OPT_INFO, "vol1", 0, NULL);
    expect_info_export(NBD_OPT_INFO, UINT64_C(5) << 40,
                       FLAGS | NBD_FLAG_SEND_DF | NBD_FLAG_READ_ONLY);
    expect_ack(NBD_OPT_INFO);
    say_go("vol2");
    expect_error(NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, "GO: no such export");
    say_option(NBD_OPT_STARTTLS);
    expect_error(NBD_OPT_STARTTLS, NBD_REP_ERR_UNSUP, "option: not supported");
    check_selected(CONTEXT_BASE_ALLOCATION | CONTEXT_ANYPORT_LOCATION);
}

static void contexts_of_another_export_do_not_count(void)
{
    static const char *const others[] = {"vol1", "", LONGEST_NAME};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        begin_structured();
        say_set_all(others[i]);
        check_selected(0);
    }

    begin_structured();
    say_set_all("vol0");
    say_go("vol1");
    expect_info_export(NBD_OPT_GO, UINT64_C(5) << 40,
                       FLAGS | NBD_FLAG_SEND_DF | NBD_FLAG_READ_ONLY);
    expect_ack(NBD_OPT_GO);
    CU_ASSERT_EQUAL(check(NEGOTIATE_TRANSMISSION)->selected_contexts, 0);

    begin_structured();
    say_set_all("vol0");
    say_option_text(NBD_OPT_EXPORT_NAME, "vol1");
    expect_export(UINT64_C(5) << 40, FLAGS | NBD_FLAG_SEND_DF | NBD_FLAG_READ_ONLY, false);
    CU_ASSERT_EQUAL(check(NEGOTIATE_TRANSMISSION)->selected_contexts, 0);

    begin_structured(); /* the same export: they do, and by EXPORT_NAME too */
    say_set_all("");
    say_option(NBD_OPT_EXPORT_NAME);
    expect_export(1 << 30, FLAGS | NBD_FLAG_SEND_DF, false);
    CU_ASSERT_EQUAL(check(NEGOTIATE_TRANSMISSION)->selected_contexts,
                    CONTEXT_BASE_ALLOCATION | CONTEXT_ANYPORT_LOCATION);
}

static void malformed_contexts_are_invalid(void)
{
    static const struct {
        uint32_t option;
        const char *text;
    } rows[] = {
        {NBD_OPT_LIST_META_CONTEXT, "LIST_META_CONTEXT: malformed data"},
        {NBD_OPT_SET_META_CONTEXT, "SET_META_CONTEXT: malformed data"},
    };

    for (size_t i = 0; i < 2; i++) {
        const uint32_t option = rows[i].option;
        const char *const text = rows[i].text;

        CHECK_MALFORMED(option, text, "");
        CHECK_MALFORMED(option, text, "\0\0\x10\0vol0");
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0");
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0");
        CHECK_MALFORMED(option, text, "\0\0\0\5vol0\0\0\0\0");
        CHECK_MALFORMED(option, text, "\0\0\0\3vol0\0\0\0\0");
        CHECK_MALFORMED(option, text, "\xff\xff\xff\xffvol0\0\0\0\0");
        CHECK_MALFORMED(option, text, "\0\0\0\4v\0l0\0\0\0\0");
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0\0\0");            /* one more */
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0\1");              /* no query */
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0\1\0\0\0");        /* half a one */
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0\1\0\0\0\6base:"); /* too long */
        CHECK_MALFORMED(option, text,
                        "\0\0\0\4vol0\0\0\0\1\xff\xff\xff\xff"
                        "base:");
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0\1\0\0\0\4base:"); /* too short */
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0\2\0\0\0\5base:"); /* one less */
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\0\0\0\0\0\0\0\5base:"); /* not counted */
        CHECK_MALFORMED(option, text, "\0\0\0\4vol0\xff\xff\xff\xff\0\0\0\5base:"); /* 2^32 - 1 */
    }
}

static void contexts_of_an_unknown_export_are_told(void)
{
    begin_structured();
    SAY_CONTEXTS(NBD_OPT_LIST_META_CONTEXT, "vol2", NULL);
    expect_error(NBD_OPT_LIST_META_CONTEXT, NBD_REP_ERR_UNKNOWN,
                 "LIST_META_CONTEXT: no such export");
    check_goes_on();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"INFO shows what is asked for", info_shows_what_is_asked_for},
        {"the default export is told by its name", the_default_export_is_told_by_its_name},
        {"there is no empty description", there_is_no_empty_description},
        {"unknown and repeated info requests are ignored",
         unknown_and_repeated_info_requests_are_ignored},
        {"DF is shown with structured replies only", df_is_shown_with_structured_replies_only},
        {"an unknown export is told and may be tried again",
         an_unknown_export_is_told_and_may_be_tried_again},
        {"malformed INFO is invalid", malformed_info_is_invalid},
        {"contexts are listed by name and wildcard", contexts_are_listed_by_name_and_wildcard},
        {"contexts that are not known are ignored", contexts_that_are_not_known_are_ignored},
        {"contexts may be listed without structured replies",
         contexts_may_be_listed_without_structured_replies},
        {"contexts are not set without structured replies",
         contexts_are_not_set_without_structured_replies},
        {"contexts are set by name", contexts_are_set_by_name},
        {"setting contexts again replaces them", setting_contexts_again_replaces_them},
        {"a failed SET clears what was set", a_failed_set_clears_what_was_set},
        {"other options keep what was set", other_options_keep_what_was_set},
        {"contexts of another export do not count", contexts_of_another_export_do_not_count},
        {"malformed contexts are invalid", malformed_contexts_are_invalid},
        {"contexts of an unknown export are told", contexts_of_an_unknown_export_are_told},
    };

    return UNIT_RUN("negotiate_options", tests);
}
