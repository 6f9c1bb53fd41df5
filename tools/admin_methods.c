#include "tools/admin_methods.h"

const struct admin_method admin_methods[] = {
    {.name = "controller.kill", .start = admin_controller_kill},
    {.name = "controller.start", .start = admin_controller_start},
    {.name = "controller.stop", .start = admin_controller_stop},
    {.name = "dump", .start = admin_dump},
    {.name = "element.fail", .start = admin_element_fail},
    {.name = "link.fail", .start = admin_link_fail},
    {.name = "link.repair", .start = admin_link_repair},
    {.name = "trace.level", .start = admin_trace_level},
    {.name = "element.move", .start = admin_element_move},
    {.name = "element.replace", .start = admin_element_replace},
    {.name = "scrub.start", .start = admin_scrub_start},
    {.name = "volume.create", .start = admin_volume_create},
    {.name = "volume.delete", .start = admin_volume_delete},
    {0},
};
