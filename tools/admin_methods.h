/*
 * Methods of the admin socket that change the array: each gets the configuration controller and
 * answers when the change is done (admin_rpc.h).
 */
#ifndef TOOLS_ADMIN_METHODS_H
#define TOOLS_ADMIN_METHODS_H

#include "tools/admin_rpc.h"

/* All of them. */
extern const struct admin_method admin_methods[];

/* dump {} -> {version, yaml}: changes nothing, but needs the configuration */
void admin_dump(const struct admin_service *service, const json_t *params,
                struct admin_reply *reply);

/* scrub.start {name, repair} -> {} */
void admin_scrub_start(const struct admin_service *service, const json_t *params,
                       struct admin_reply *reply);

/* volume.create {name, ...: the fields of anyport.yaml(5)} -> {}
 * volume.delete {name} -> {} */
void admin_volume_create(const struct admin_service *service, const json_t *params,
                         struct admin_reply *reply);
void admin_volume_delete(const struct admin_service *service, const json_t *params,
                         struct admin_reply *reply);

/* element.move {name, controller} -> {}: when the controller owns it, or owned it already */
void admin_element_move(const struct admin_service *service, const json_t *params,
                        struct admin_reply *reply);

/* element.fail {name, force} -> {} */
void admin_element_fail(const struct admin_service *service, const json_t *params,
                        struct admin_reply *reply);

/* controller.kill {id, force} -> {}: when its process is gone */
void admin_controller_kill(const struct admin_service *service, const json_t *params,
                           struct admin_reply *reply);

/* controller.stop {id} -> {}: when it has ended in order
 * controller.start {id} -> {}: when its ports answer */
void admin_controller_stop(const struct admin_service *service, const json_t *params,
                           struct admin_reply *reply);
void admin_controller_start(const struct admin_service *service, const json_t *params,
                            struct admin_reply *reply);

/* link.fail {source, target, fabric, loss, delay} -> {version, links}: to how many links it was
 * done. `source` and `target` are numbers of controllers; without one, all are meant. `fabric` is
 * "primary" or "redundant"; without it, both. With `loss` (per mille) or `delay` (ns) the links go
 * on working, with these faults instead of those that they had. */
void admin_link_fail(const struct admin_service *service, const json_t *params,
                     struct admin_reply *reply);

/* link.repair {source, target, fabric} -> the same: takes all faults away. */
void admin_link_repair(const struct admin_service *service, const json_t *params,
                       struct admin_reply *reply);

/* element.replace {name, image, size} -> {image, size, members}. Without an image: the same one. */
void admin_element_replace(const struct admin_service *service, const json_t *params,
                           struct admin_reply *reply);

/* trace.level {level} -> {} */
void admin_trace_level(const struct admin_service *service, const json_t *params,
                       struct admin_reply *reply);

#endif
