/*
 * The steps of both changes; volume_change.h says what each is for.
 */
#include "controller/config/volume_change_steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shm/mapping.h"
#include "shm/member_states.h"

static const struct segment *segment_of(const struct volume_change *change)
{
    return &change->configurator->segment;
}

/* --- asking all controllers --- */

static void everybody_answered(void *context, int status)
{
    struct volume_change *change = context;

    change->leaks = change->leaks || (status != 0 && change->forgets);
    volume_change_over(change, status);
}

static void ask_everybody(struct volume_change *change, enum control_kind kind, uint32_t volume)
{
    const struct control_message message = {.kind = kind, .arguments = {volume}};

    change->forgets = kind == CONTROL_DROP_VOLUME;
    int error = configurator_ask_all(change->configurator, &message, everybody_answered, change);
    if (error != 0)
        everybody_answered(change, error);
}

/* --- asking the members' owners, one after the other --- */

static void ask_next_owner(struct volume_change *change);

static void owner_answered(void *context, int status)
{
    struct volume_change *change = context;

    if (status != 0 && !change->tolerant) {
        volume_change_over(change, status);
        return;
    }
    change->at++;
    ask_next_owner(change);
}

static int ask_owner(struct volume_change *change, uint32_t volume,
                     const struct control_message *message, control_answered *answered)
{
    struct mapping_place place;
    int error = mapping_resolve(segment_of(change), volume, 0, 0, &place);

    if (error != 0)
        return error;
    return configurator_ask(change->configurator, place.owner, message, -1, answered, change);
}

static void ask_next_owner(struct volume_change *change)
{
    int error;

    for (; change->at < change->wanted->members_count; change->at++) {
        uint32_t member = change->members[change->at];
        const struct control_message message = {.kind = change->question,
                                                .arguments = {member, change->volume, change->at}};
        error = ask_owner(change, member, &message, owner_answered);
        if (error == 0)
            return;
        if (!change->tolerant) {
            volume_change_over(change, error);
            return;
        }
    }
    volume_change_over(change, 0);
}

/* `tolerant`: one who cannot do it is no reason not to go on. */
static void ask_owners(struct volume_change *change, enum control_kind kind, bool tolerant)
{
    if (!change->redundant) {
        volume_change_over(change, 0);
        return;
    }
    change->question = kind;
    change->tolerant = tolerant;
    change->at = 0;
    ask_next_owner(change);
}

/* --- creating --- */

static void forget_record(struct volume_change *change)
{
    volume_table_free(change);
    volume_change_over(change, 0);
}

static void enter(struct volume_change *change)
{
    volume_change_over(change, 0); /* it is what the change was prepared by (volume_table_enter) */
}

static void release_next_hidden(struct volume_change *change);

static void hidden_is_released(void *context, int status)
{
    struct volume_change *change = context;

    if (status != 0) {
        volume_change_over(change, status);
        return;
    }
    change->at++;
    release_next_hidden(change);
}

static void release_next_hidden(struct volume_change *change)
{
    while (change->at < MEMBERS_MAX && (change->hidden >> change->at & 1) == 0)
        change->at++;
    if (change->at == MEMBERS_MAX) {
        volume_change_over(change, 0);
        return;
    }
    const struct control_message message = {.kind = CONTROL_RELEASE_VOLUME,
                                            .arguments = {change->members[change->at]}};
    int error = configurator_ask_all(change->configurator, &message, hidden_is_released, change);
    if (error != 0)
        hidden_is_released(change, error);
}

static void hide(struct volume_change *change)
{
    change->hidden = volume_table_hide_members(change, change->config);
    change->at = 0;
    release_next_hidden(change);
}

static void show(struct volume_change *change)
{
    (void)volume_table_hide_members(change, change->configurator->config);
    volume_change_over(change, 0);
}

static void plain_answered(void *context, int status)
{
    volume_change_over(context, status);
}

static void clear(struct volume_change *change)
{
    const struct control_message message = {.kind = CONTROL_CLEAR_VOLUME,
                                            .arguments = {change->volume}};

    if (change->wanted->layout != LAYOUT_NONE || change->wanted->read_only) {
        volume_change_over(change, 0);
        return;
    }
    int error = ask_owner(change, change->volume, &message, plain_answered);
    if (error != 0)
        volume_change_over(change, error);
}

static void announce(struct volume_change *change)
{
    ask_owners(change, CONTROL_ENTER_MEMBER, false);
}

static void leave(struct volume_change *change)
{
    ask_owners(change, CONTROL_LEAVE_MEMBER, true);
}

static void run(struct volume_change *change)
{
    if (change->redundant)
        member_states_enter(segment_volume(segment_of(change), change->volume), 0);
    ask_owners(change, CONTROL_MARK_MEMBER, false);
}

static void add(struct volume_change *change)
{
    if (change->wanted->layout == LAYOUT_NONE)
        volume_change_over(change, 0);
    else
        ask_everybody(change, CONTROL_ADD_VOLUME, change->volume);
}

static void drop(struct volume_change *change)
{
    ask_everybody(change, CONTROL_DROP_VOLUME, change->volume);
}

static void publish(struct volume_change *change)
{
    volume_change_over(change, mapping_publish_volume(segment_of(change), change->volume));
}

const struct volume_step volume_create_steps[] = {
    {enter, forget_record, "volume"}, {hide, show, "member"}, {clear, NULL, "volume"},
    {announce, leave, "member"},      {run, NULL, "member"},  {add, drop, "volume"},
    {publish, NULL, "volume"},        {NULL, NULL, NULL},
};

/* --- deleting --- */

static void withdraw(struct volume_change *change)
{
    mapping_withdraw_volume(segment_of(change), change->volume);
    volume_change_over(change, 0);
}

static void release(struct volume_change *change)
{
    ask_everybody(change, CONTROL_RELEASE_VOLUME, change->volume);
}

/* It is gone for hosts, and does not come back because one controller is slow. */
static void drop_at_last(struct volume_change *change)
{
    change->final = true;
    drop(change);
}

static void forget(struct volume_change *change)
{
    (void)volume_table_hide_members(change, change->config);
    forget_record(change);
}

const struct volume_step volume_delete_steps[] = {
    {withdraw, publish, "volume"}, {release, NULL, "volume"}, {drop_at_last, NULL, "volume"},
    {leave, NULL, "volume"},       {forget, NULL, "volume"},  {NULL, NULL, NULL},
};
