/* The way of a handshake: greeting, EXPORT_NAME, ABORT, LIST, what is refused and what closes. */
#include <stdlib.h>

#include "hostif/nbd_parse.h"
#include "tests/unit/unit.h"
#include "tests/unit/talk.h"

/* --- greeting --- */

static void greets_first(void)
{
    begin_fixed();
    said.length = 0;
    check(NEGOTIATE_CLIENT_FLAGS);
    say_flags(0);
    check(NEGOTIATE_OPTION);
    begin_fixed();
    CU_ASSERT_TRUE(check(NEGOTIATE_OPTION)->fixed_newstyle);
    CU_ASSERT_TRUE(check(NEGOTIATE_OPTION)->no_zeroes);
}

static void unknown_client_flags_close(void)
{
    for (unsigned bit = 2; bit < 32; bit++) {
        begin(UINT32_C(1) << bit | NBD_FLAG_C_FIXED_NEWSTYLE);
        say_go("vol0");
        check_portions(&catalog, NEGOTIATE_CLOSED, said.length - 4, said.length);
    }
}

static void a_wrong_option_magic_closes_at_once(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        begin_fixed();
        append_be64(&said, NBD_OPTION_MAGIC ^ UINT64_C(1) << bit);
        check_portions(&catalog, NEGOTIATE_CLOSED, 8, 8); /* the rest may never come */
    }
    begin_fixed();
    say_option(NBD_OPT_STRUCTURED_REPLY);
    expect_ack(NBD_OPT_STRUCTURED_REPLY);
    append_be64(&said, NBD_OPTION_REPLY_MAGIC);
    check_portions(&catalog, NEGOTIATE_CLOSED, 8, 8);
}

static void half_an_option_waits(void)
{
    size_t whole;

    begin_fixed();
    say_go("vol0");
    whole = said.length;
    for (said.length = 4; said.length < whole; said.length++) {
        const enum negotiate_phase phase = said.length < 20 ? NEGOTIATE_OPTION : NEGOTIATE_PAYLOAD;
        static struct outcome outcome;

        hold(&catalog, SIZE_MAX, NEGOTIATE_OUTPUT_BYTES, &outcome);
        CU_ASSERT_EQUAL(outcome.negotiate.phase, phase);
        CU_ASSERT_EQUAL(outcome.told.length, NBD_GREETING_BYTES);
        free(outcome.told.at);
        outcome.told = (struct bytes){0};
    }
}

static void nothing_is_done_after_the_end(void)
{
    static const uint8_t in[64];
    struct negotiate negotiate;
    uint8_t out[NEGOTIATE_OUTPUT_BYTES];
    size_t consumed = 77;
    size_t out_bytes = 77;

    negotiate_begin(&negotiate, &catalog);
    negotiate.phase = NEGOTIATE_CLOSED;
    CU_ASSERT_FALSE(
        negotiate_step(&negotiate, in, sizeof(in), &consumed, out, sizeof(out), &out_bytes));
    CU_ASSERT_EQUAL(consumed, 0);
    CU_ASSERT_EQUAL(out_bytes, 0);
    negotiate.phase = NEGOTIATE_TRANSMISSION;
    CU_ASSERT_FALSE(
        negotiate_step(&negotiate, in, sizeof(in), &consumed, out, sizeof(out), &out_bytes));
    CU_ASSERT_EQUAL(consumed, 0);
    CU_ASSERT_EQUAL(out_bytes, 0);
}

static void no_room_means_to_be_asked_again(void)
{
    struct negotiate negotiate;
    size_t consumed;
    size_t out_bytes;

    negotiate_begin(&negotiate, &catalog);
    CU_ASSERT_TRUE(negotiate_step(&negotiate, NULL, 0, &consumed, NULL, 0, &out_bytes));
    CU_ASSERT_EQUAL(negotiate.phase, NEGOTIATE_GREETING);
    CU_ASSERT_EQUAL(out_bytes, 0);
}

/* --- EXPORT_NAME --- */

static void export_name_is_answered_with_zeroes_or_without(void)
{
    const struct negotiate *negotiate;
    struct nbd_agreed agreed;

    begin(NBD_FLAG_C_FIXED_NEWSTYLE);
    say_option_text(NBD_OPT_EXPORT_NAME, "vol0");
    expect_export(1 << 30, FLAGS, true);
    negotiate = check(NEGOTIATE_TRANSMISSION);
    CU_ASSERT_EQUAL(negotiate->info.volume, 7);

    begin_fixed();
    say_option_text(NBD_OPT_EXPORT_NAME, "vol1");
    expect_export(UINT64_C(5) << 40, FLAGS | NBD_FLAG_READ_ONLY, false);
    negotiate = check(NEGOTIATE_TRANSMISSION);
    negotiate_agreed(negotiate, &agreed);
    CU_ASSERT_EQUAL(agreed.size_bytes, UINT64_C(5) << 40);
    CU_ASSERT_EQUAL(agreed.transmission_flags, FLAGS | NBD_FLAG_READ_ONLY);
    CU_ASSERT_FALSE(agreed.structured_replies);
    CU_ASSERT_FALSE(agreed.meta_contexts);

    begin_structured();
    say_option_text(NBD_OPT_EXPORT_NAME, "vol0");
    expect_export(1 << 30, FLAGS | NBD_FLAG_SEND_DF, false);
    negotiate_agreed(check(NEGOTIATE_TRANSMISSION), &agreed);
    CU_ASSERT_TRUE(agreed.structured_replies);

    begin_fixed(); /* the default export */
    say_option(NBD_OPT_EXPORT_NAME);
    expect_export(1 << 30, FLAGS, false);
    CU_ASSERT_EQUAL(check(NEGOTIATE_TRANSMISSION)->info.volume, 7);
}

static void export_name_closes_for_what_is_not_there(void)
{
    static const char *const names[] = {"vol", "vol00", "VOL0", "vol0 ", "/", "\xff\xfe"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        begin_fixed();
        say_option_text(NBD_OPT_EXPORT_NAME, names[i]);
        check(NEGOTIATE_CLOSED);
    }
    begin_fixed();
    say_option_head(NBD_OPT_EXPORT_NAME, 5);
    append(&said, "vol0\0", 5);
    finds = 0;
    check(NEGOTIATE_CLOSED);
    CU_ASSERT_EQUAL(finds, 0); /* NUL is refused before anybody is asked */
}

static void a_name_may_be_4096_bytes(void)
{
    begin_fixed();
    say_option_head(NBD_OPT_EXPORT_NAME, EXPORT_NAME_BYTES_MAX);
    append_fill(&said, 'x', EXPORT_NAME_BYTES_MAX);
    finds = 0;
    check_portions(&catalog, NEGOTIATE_CLOSED, 0, 1000);
    CU_ASSERT(finds > 0);

    begin_fixed(); /* one more: closed before the name has come */
    say_option_head(NBD_OPT_EXPORT_NAME, EXPORT_NAME_BYTES_MAX + 1);
    finds = 0;
    check(NEGOTIATE_CLOSED);
    CU_ASSERT_EQUAL(finds, 0);

    begin_fixed();
    say_option_head(NBD_OPT_EXPORT_NAME, UINT32_MAX);
    check(NEGOTIATE_CLOSED);
}

static void the_first_request_is_left_alone(void)
{
    begin_fixed();
    say_option_text(NBD_OPT_EXPORT_NAME, "vol0");
    expect_export(1 << 30, FLAGS, false);
    append_fill(&said, 0x25, 28);
    check_portions(&catalog, NEGOTIATE_TRANSMISSION, 28, said.length);

    begin_fixed();
    say_go("vol0");
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS);
    expect_ack(NBD_OPT_GO);
    say_option(NBD_OPT_ABORT); /* no option any more */
    check_portions(&catalog, NEGOTIATE_TRANSMISSION, 16, said.length);
}

static void without_fixed_newstyle_only_export_name_is_allowed(void)
{
    for (uint32_t option = 0; option < 16; option++) {
        if (option == NBD_OPT_EXPORT_NAME)
            continue;
        begin(NBD_FLAG_C_NO_ZEROES);
        say_option(option);
        check(NEGOTIATE_CLOSED);
    }
    begin(0);
    say_option_text(NBD_OPT_EXPORT_NAME, "vol0");
    expect_export(1 << 30, FLAGS, true);
    check(NEGOTIATE_TRANSMISSION);
    begin(NBD_FLAG_C_NO_ZEROES);
    say_option_text(NBD_OPT_EXPORT_NAME, "vol0");
    expect_export(1 << 30, FLAGS, false);
    check(NEGOTIATE_TRANSMISSION);
}

/* --- ABORT, LIST --- */

static void abort_is_acknowledged_and_closes(void)
{
    begin_fixed();
    check_goes_on();

    begin_fixed(); /* data is to be ignored, not to be refused */
    say_option_text(NBD_OPT_ABORT, "good bye");
    expect_ack(NBD_OPT_ABORT);
    check(NEGOTIATE_CLOSED);

    begin_fixed();
    say_option_head(NBD_OPT_ABORT, 100000);
    append_fill(&said, 'x', 100000);
    expect_ack(NBD_OPT_ABORT);
    check_portions(&catalog, NEGOTIATE_CLOSED, 0, 1000);
}

static void expect_list(void)
{
    expect_server("vol0", "the first");
    expect_server("vol1", "");
    expect_server(LONGEST_NAME, LONGEST_DESCRIPTION);
    expect_ack(NBD_OPT_LIST);
}

static void list_shows_names_and_descriptions(void)
{
    begin_fixed();
    say_option(NBD_OPT_LIST);
    expect_list();
    say_option(NBD_OPT_LIST); /* from the beginning again */
    expect_list();
    check_goes_on();
}

static void list_takes_no_data(void)
{
    begin_fixed();
    say_option_text(NBD_OPT_LIST, "x");
    expect_error(NBD_OPT_LIST, NBD_REP_ERR_INVALID, "LIST: takes no data");
    say_option_head(NBD_OPT_LIST, OPTION_BYTES_MAX + 1);
    append_fill(&said, 'x', OPTION_BYTES_MAX + 1);
    expect_error(NBD_OPT_LIST, NBD_REP_ERR_INVALID, "LIST: takes no data");
    check_goes_on();
}

static void a_list_of_100000_needs_no_more_room(void)
{
    const struct negotiate *negotiate;
    char name[NAME_BYTES_MAX + 1];

    begin_fixed();
    say_option(NBD_OPT_LIST);
    for (uint64_t i = 0; i < MANY; i++) {
        many_name(i, name);
        expect_server(name, "the first");
    }
    expect_ack(NBD_OPT_LIST);
    say_go("vol0");
    expect_info_export(NBD_OPT_GO, 1 << 30, FLAGS);
    expect_ack(NBD_OPT_GO);
    negotiate = check_portions(&many, NEGOTIATE_TRANSMISSION, 0, 1);
    CU_ASSERT_EQUAL(negotiate->list_cursor, MANY);
}

/* --- what is refused --- */

static void structured_reply_takes_no_data(void)
{
    begin_fixed();
    say_option_text(NBD_OPT_STRUCTURED_REPLY, "\1");
    expect_error(NBD_OPT_STRUCTURED_REPLY, NBD_REP_ERR_INVALID, "STRUCTURED_REPLY: takes no data");
    CU_ASSERT_FALSE(check_goes_on()->structured_replies);
}

static void unknown_options_are_unsupported_and_consumed(void)
{
    static const uint32_t options[] = {0,  4,  NBD_OPT_STARTTLS,     NBD_OPT_EXTENDED_HEADERS,
                                       12, 77, UINT32_C(0x80000000), UINT32_MAX};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        begin_fixed();
        say_option(options[i]);
        expect_error(options[i], NBD_REP_ERR_UNSUP, "option: not supported");
        /* data that looks like an option */
        say_option_head(options[i], 16);
        append_text(&said, "IHAVEOPT");
        append_be64(&said, UINT64_C(2) << 32);
        expect_error(options[i], NBD_REP_ERR_UNSUP, "option: not supported");
        /* more data than is ever kept; still unsupported rather than too big */
        say_option_head(options[i], OPTION_BYTES_MAX + 1);
        append_fill(&said, 'I', OPTION_BYTES_MAX + 1);
        expect_error(options[i], NBD_REP_ERR_UNSUP, "option: not supported");
        check_goes_on();
    }
}

static void too_much_data_is_discarded_to_a_limit(void)
{
    static const struct {
        uint32_t option;
        const char *text;
    } rows[] = {
        {NBD_OPT_INFO, "INFO: too much data"},
        {NBD_OPT_GO, "GO: too much data"},
        {NBD_OPT_LIST_META_CONTEXT, "LIST_META_CONTEXT: too much data"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_fixed();
        say_option_head(rows[i].option, OPTION_BYTES_MAX + 1);
        append_fill(&said, 0, OPTION_BYTES_MAX + 1);
        expect_error(rows[i].option, NBD_REP_ERR_TOO_BIG, rows[i].text);
        check_goes_on();

        begin_fixed(); /* the most that is looked at */
        say_option_head(rows[i].option, OPTION_BYTES_MAX);
        append_fill(&said, 'x', OPTION_BYTES_MAX);
        expect_error(rows[i].option, NBD_REP_ERR_INVALID,
                     i == 0   ? "INFO: malformed data"
                     : i == 1 ? "GO: malformed data"
                              : "LIST_META_CONTEXT: malformed data");
        check_goes_on();
    }
}

static void beyond_the_limit_of_discarding_it_closes(void)
{
    static const uint32_t options[] = {NBD_OPT_ABORT, NBD_OPT_LIST, NBD_OPT_GO, 77};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        begin_fixed();
        say_option_head(options[i], OPTION_DISCARD_BYTES_MAX + 1);
        check(NEGOTIATE_CLOSED);
        begin_fixed();
        say_option_head(options[i], UINT32_MAX);
        check(NEGOTIATE_CLOSED);
    }

    begin_fixed();
    say_option_head(77, OPTION_DISCARD_BYTES_MAX);
    append_fill(&said, 0, OPTION_DISCARD_BYTES_MAX);
    expect_error(77, NBD_REP_ERR_UNSUP, "option: not supported");
    say_option(NBD_OPT_ABORT);
    expect_ack(NBD_OPT_ABORT);
    check_portions(&catalog, NEGOTIATE_CLOSED, 0, 4099);
}

static void endless_options_end(void)
{
    begin_fixed();
    for (uint32_t i = 0; i < HANDSHAKE_OPTIONS_MAX; i++) {
        say_option(NBD_OPT_STRUCTURED_REPLY);
        expect_ack(NBD_OPT_STRUCTURED_REPLY);
    }
    check_portions(&catalog, NEGOTIATE_OPTION, 0, 1 << 20);
    say_option(NBD_OPT_STRUCTURED_REPLY);
    check_portions(&catalog, NEGOTIATE_CLOSED, 0, 1 << 20);
}

static void other_protocols_are_closed(void)
{
    static const char *const words[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02", "SSH-2.0-x"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        begin_fixed();
        said.length = 0;
        append_text(&said, words[i]);
        check_portions(&catalog, NEGOTIATE_CLOSED, said.length - 4, said.length);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"greets first", greets_first},
        {"unknown client flags close", unknown_client_flags_close},
        {"a wrong option magic closes at once", a_wrong_option_magic_closes_at_once},
        {"half an option waits", half_an_option_waits},
        {"nothing is done after the end", nothing_is_done_after_the_end},
        {"no room means to be asked again", no_room_means_to_be_asked_again},
        {"EXPORT_NAME is answered with zeroes or without",
         export_name_is_answered_with_zeroes_or_without},
        {"EXPORT_NAME closes for what is not there", export_name_closes_for_what_is_not_there},
        {"a name may be 4096 bytes", a_name_may_be_4096_bytes},
        {"the first request is left alone", the_first_request_is_left_alone},
        {"without fixed newstyle only EXPORT_NAME is allowed",
         without_fixed_newstyle_only_export_name_is_allowed},
        {"ABORT is acknowledged and closes", abort_is_acknowledged_and_closes},
        {"LIST shows names and descriptions", list_shows_names_and_descriptions},
        {"LIST takes no data", list_takes_no_data},
        {"a list of 100,000 needs no more room", a_list_of_100000_needs_no_more_room},
        {"STRUCTURED_REPLY takes no data", structured_reply_takes_no_data},
        {"unknown options are unsupported and consumed",
         unknown_options_are_unsupported_and_consumed},
        {"too much data is discarded to a limit", too_much_data_is_discarded_to_a_limit},
        {"beyond the limit of discarding it closes", beyond_the_limit_of_discarding_it_closes},
        {"endless options end", endless_options_end},
        {"other protocols are closed", other_protocols_are_closed},
    };

    return UNIT_RUN("negotiate", tests);
}
