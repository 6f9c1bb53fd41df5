/*
 * Every way in which a configuration is refused, with the whole message: users act on it, so its
 * line, its field and what it says is allowed are as much a promise as the refusal itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "controller/config/config.h"
#include "tests/unit/test_config.h"

struct refusal {
    const char *yaml;
    const char *message;
};

/* A configuration of the least that there can be, and places in it. */
#define LAB           "array: lab\n"
#define ELEMENTS      "elements:\n  - {name: d0, image: d0.img, size: 1GiB}\n"
#define VOLUMES       "volumes:\n  - {name: v0, element: d0}\n"
#define TOP(more)     LAB ELEMENTS VOLUMES more
#define ELEMENT(more) LAB "elements:\n  - {name: d0, image: d0.img" more "}\n" VOLUMES
#define VOLUME(more)  LAB ELEMENTS "volumes:\n  - {name: v0, element: d0" more "}\n"

#define NAME_RULE         "1 to 63 characters of A-Z a-z 0-9 . _ -, the first not . or -"
#define PATH_RULE         "a path of 1 to 4095 bytes"
#define SIZE_RULE         "a size such as 4096, 64KiB, 1GiB or 10GB, above 0 and below 4096PiB"
#define OFFSET_RULE       "a multiple of 4096, such as 0, 4096 or 1GiB, below 4096PiB"
#define CACHE_SIZE_RULE   "a size such as 64MiB, from 1MiB to 1TiB"
#define BUFFERS_SIZE_RULE "a size such as 64MiB, from 40MiB to 1GiB"
#define ELEMENTS_RULE                                                                              \
    "a list of 1 to 4096 mappings of name, image, size, controller, read-only, superblock, "       \
    "checksums, missing-ok"
#define VOLUMES_RULE                                                                               \
    "a list of 1 to 131072 mappings of name, element, offset, size, description, read-only, "      \
    "export, rotational, layout, chunk, members, copies"
#define ADDRESS_RULE                                                                               \
    "HOST:PORT in quotes where needed, such as 127.0.0.1:10809 or \"[::1]:10809\"; port 0 means "  \
    "any"
#define TOP_RULE                                                                                   \
    "array, run-dir, controllers, cache, elements, volumes, ports, buffers, connections, "         \
    "handshake-timeout, placement, interconnect, coordination, trace, rebuild, heartbeat, "        \
    "follow-traffic, restart, "                                                                    \
    "takeover, intents, journal, journal-size"
#define FILE_RULE "a mapping of array, elements, volumes and others"

static const struct refusal document[] = {
    {"", "lab.yaml:1: file: empty; allowed: " FILE_RULE},
    {"# nothing\n", "lab.yaml:2: file: empty; allowed: " FILE_RULE},
    {"--- \n", "lab.yaml:2: file: a single value; allowed: " FILE_RULE},
    {"just text", "lab.yaml:1: file: a single value; allowed: " FILE_RULE},
    {"[1, 2]\n", "lab.yaml:1: file: a list; allowed: " FILE_RULE},
    {TOP("---\narray: lab\n"), "lab.yaml:6: file: a second YAML document; allowed: one document"},
    {"%YAML 1.1\n"
     "---\n"
     "array: lab\n" ELEMENTS VOLUMES,
     "lab.yaml:1: file: YAML directive; allowed: one document without directives"},
    {LAB "elements: [\n",
     "lab.yaml:3: elements: did not find expected node content; allowed: YAML"},
    {LAB "elements:\n"
         "  - {name: d0, image: d0.img\n"
         "volumes:\n",
     "lab.yaml:4: elements[0]: did not find expected ',' or '}', while parsing a flow mapping from "
     "line 3; allowed: YAML"},
    {LAB "\011controllers: 1\n",
     "lab.yaml:2: array: found a tab character that violates indentation, while scanning a plain "
     "scalar from line 1; allowed: YAML"},
    {"array: \"lab\n", "lab.yaml:2: array: found unexpected end of stream, while scanning a quoted "
                       "scalar from line 1; allowed: YAML"},
    {LAB "array: lab2\n" ELEMENTS VOLUMES,
     "lab.yaml:2: array: given twice, first on line 1; allowed: each field once"},
    {VOLUME(", name: v1"),
     "lab.yaml:5: volumes[0].name: given twice, first on line 5; allowed: each field once"},
    {TOP("? [a]\n: b\n"),
     "lab.yaml:6: file: a field's name is a list or a mapping; allowed: " TOP_RULE},
    {TOP("? {a: b}\n: c\n"),
     "lab.yaml:6: file: a field's name is a list or a mapping; allowed: " TOP_RULE},
};

static const struct refusal aliases_and_tags[] = {
    {"array: &a lab\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: YAML anchor; allowed: the value itself"},
    {"array: *a\n" ELEMENTS VOLUMES, "lab.yaml:1: array: YAML alias; allowed: the value itself"},
    {LAB ELEMENTS "volumes: &v\n"
                  "  - {name: v0, element: d0}\n",
     "lab.yaml:4: volumes: YAML anchor; allowed: the value itself"},
    {TOP("cache: &c {mode: off}\n"), "lab.yaml:6: cache: YAML anchor; allowed: the value itself"},
    {TOP("<<: {mode: off}\n"), "lab.yaml:6: <<: unknown field; allowed: " TOP_RULE},
    {"array: !!str lab\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: YAML tag; allowed: the value itself"},
    {TOP("cache: !c {mode: off}\n"), "lab.yaml:6: cache: YAML tag; allowed: the value itself"},
    {LAB "elements: !e []\n", "lab.yaml:2: elements: YAML tag; allowed: the value itself"},
};

static const struct refusal bytes[] = {
    {"\177ELF\002\001", "lab.yaml:1: file: control character U+007F; allowed: printable text"},
    {"array: l\377b\n", "lab.yaml:1: file: byte 0xff is not UTF-8; allowed: text in UTF-8"},
    {LAB "# \300\257\n", "lab.yaml:2: file: byte 0xc0 is not UTF-8; allowed: text in UTF-8"},
    {LAB "# \340\200\257\n", "lab.yaml:2: file: byte 0xe0 is not UTF-8; allowed: text in UTF-8"},
    {LAB "# \370\220\200\200\n",
     "lab.yaml:2: file: byte 0xf8 is not UTF-8; allowed: text in UTF-8"},
    {LAB "# \355\240\200\n", "lab.yaml:2: file: byte 0xed is not UTF-8; allowed: text in UTF-8"},
    {LAB "# \364\220\200\200\n",
     "lab.yaml:2: file: byte 0xf4 is not UTF-8; allowed: text in UTF-8"},
    {LAB "# \342\202", "lab.yaml:2: file: byte 0xe2 is not UTF-8; allowed: text in UTF-8"},
    {"a\001rray: lab\n", "lab.yaml:1: file: control character U+0001; allowed: printable text"},
    {"# \302\205\n", "lab.yaml:1: file: control character U+0085; allowed: printable text"},
    {LAB "# \342\200\250\n", "lab.yaml:2: file: control character U+2028; allowed: printable text"},
    {LAB "# \357\273\277\n", "lab.yaml:2: file: control character U+FEFF; allowed: printable text"},
    {"array: \"l\\0b\"\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: control character or line break; allowed: one line of text"},
    {VOLUME(", description: \"a\\nb\""), "lab.yaml:5: volumes[0].description: control character or "
                                         "line break; allowed: one line of text"},
    {LAB ELEMENTS "volumes:\n"
                  "  - name: v0\n"
                  "    element: d0\n"
                  "    description: |\n"
                  "      two\n"
                  "      lines\n",
     "lab.yaml:7: volumes[0].description: control character or line break; allowed: one line of "
     "text"},
};

static const struct refusal unknown_and_missing_fields[] = {
    {ELEMENT(", sise: 1GiB"), "lab.yaml:3: elements[0].sise: unknown field; allowed: name, image, "
                              "size, controller, read-only, superblock, checksums, missing-ok"},
    {TOP("contollers: 2\n"), "lab.yaml:6: contollers: unknown field; allowed: " TOP_RULE},
    {VOLUME(", sise: 1GiB"), "lab.yaml:5: volumes[0].sise: unknown field; allowed: name, element, "
                             "offset, size, description, read-only, export, rotational, layout, "
                             "chunk, members, copies"},
    {TOP("cache: {sise: 1}\n"),
     "lab.yaml:6: cache.sise: unknown field; allowed: size, mode, policy, in-memory"},
    {TOP("ports: {unix: x}\n"), "lab.yaml:6: ports.unix: unknown field; allowed: tcp"},
    {TOP("buffers: {count: 1}\n"), "lab.yaml:6: buffers.count: unknown field; allowed: size"},
    {TOP("interconnect: {rings: 1}\n"),
     "lab.yaml:6: interconnect.rings: unknown field; allowed: model, slots, ring-entries, "
     "share, wait, latency, bandwidth, hop-delay"},
    {ELEMENTS VOLUMES, "lab.yaml:1: array: missing; allowed: " NAME_RULE},
    {LAB VOLUMES, "lab.yaml:1: elements: missing; allowed: " ELEMENTS_RULE},
    {LAB ELEMENTS, "lab.yaml:1: volumes: missing; allowed: " VOLUMES_RULE},
    {LAB "elements:\n"
         "  - {image: d0.img}\n" VOLUMES,
     "lab.yaml:3: elements[0].name: missing; allowed: " NAME_RULE},
    {LAB "elements:\n"
         "  - {name: d0}\n" VOLUMES,
     "lab.yaml:3: elements[0].image: missing; allowed: " PATH_RULE},
    {LAB ELEMENTS "volumes:\n"
                  "  - {element: d0}\n",
     "lab.yaml:5: volumes[0].name: missing; allowed: " NAME_RULE},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v0}\n",
     "lab.yaml:5: volumes[0].element: missing; allowed: the name of one of elements, or, in a "
     "virtual volume, layout and members instead"},
    {TOP("\"\":\n  1\n"), "lab.yaml:6: '': unknown field; allowed: " TOP_RULE},
    {TOP("a very long name of a field that nobody would think of in earnest: 1\n"),
     "lab.yaml:6: a very long name of a field that nobody woul...: unknown field; "
     "allowed: " TOP_RULE},
};

static const struct refusal types[] = {
    {"array: [lab]\n" ELEMENTS VOLUMES, "lab.yaml:1: array: a list; allowed: " NAME_RULE},
    {"array: {a: b}\n" ELEMENTS VOLUMES, "lab.yaml:1: array: a mapping; allowed: " NAME_RULE},
    {"array:\n" ELEMENTS VOLUMES, "lab.yaml:1: array: no value; allowed: " NAME_RULE},
    {"array: ~\n" ELEMENTS VOLUMES, "lab.yaml:1: array: no value; allowed: " NAME_RULE},
    {"array: null\n" ELEMENTS VOLUMES, "lab.yaml:1: array: no value; allowed: " NAME_RULE},
    {TOP("cache: 64MiB\n"),
     "lab.yaml:6: cache: a single value; allowed: a mapping of size, mode, policy, in-memory"},
    {TOP("cache: [1]\n"),
     "lab.yaml:6: cache: a list; allowed: a mapping of size, mode, policy, in-memory"},
    {TOP("cache:\n"),
     "lab.yaml:6: cache: a single value; allowed: a mapping of size, mode, policy, in-memory"},
    {LAB "elements: d0\n" VOLUMES, "lab.yaml:2: elements: a single value; allowed: " ELEMENTS_RULE},
    {LAB "elements: {name: d0}\n" VOLUMES,
     "lab.yaml:2: elements: a mapping; allowed: " ELEMENTS_RULE},
    {LAB "elements: []\n" VOLUMES, "lab.yaml:2: elements: an empty list; allowed: " ELEMENTS_RULE},
    {LAB "elements:\n"
         "  - d0\n" VOLUMES,
     "lab.yaml:3: elements: an entry is no mapping; allowed: " ELEMENTS_RULE},
    {LAB "elements:\n"
         "  - [d0]\n" VOLUMES,
     "lab.yaml:3: elements: an entry is no mapping; allowed: " ELEMENTS_RULE},
    {LAB ELEMENTS "volumes: []\n", "lab.yaml:4: volumes: an empty list; allowed: " VOLUMES_RULE},
    {VOLUME(", description: [a]"),
     "lab.yaml:5: volumes[0].description: a list; allowed: a text of 0 to 159 bytes"},
    {TOP("ports:\n  tcp: [::1]:10809\n"), "lab.yaml:7: ports.tcp: a list; allowed: " ADDRESS_RULE},
    {LAB "elements: [[[[[[[[[[[[[[[[[[[[[[[[\n",
     "lab.yaml:2: elements: an entry is no mapping; allowed: " ELEMENTS_RULE},
    {"array: {a: {b: {c: {d: {e: {f: {g: {h: {i: j}}}}}}}}}\n",
     "lab.yaml:1: array: a mapping; allowed: " NAME_RULE},
};

static const struct refusal names[] = {
    {"array: \"\"\n" ELEMENTS VOLUMES, "lab.yaml:1: array: '' is not a name; allowed: " NAME_RULE},
    {"array: -lab\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: '-lab' is not a name; allowed: " NAME_RULE},
    {"array: .lab\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: '.lab' is not a name; allowed: " NAME_RULE},
    {"array: a/b\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: 'a/b' is not a name; allowed: " NAME_RULE},
    {"array: a b\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: 'a b' is not a name; allowed: " NAME_RULE},
    {"array: l\303\244b\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: 'l\303\244b' is not a name; allowed: " NAME_RULE},
    {"array: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" ELEMENTS VOLUMES,
     "lab.yaml:1: array: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is too long: 64 bytes; "
     "allowed: " NAME_RULE},
    {LAB "elements:\n"
         "  - {name: d 0, image: d0.img}\n" VOLUMES,
     "lab.yaml:3: elements[0].name: 'd 0' is not a name; allowed: " NAME_RULE},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v/0, element: d0}\n",
     "lab.yaml:5: volumes[0].name: 'v/0' is not a name; allowed: " NAME_RULE},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v0, element: d/0}\n",
     "lab.yaml:5: volumes[0].element: 'd/0' is not a name; allowed: " NAME_RULE},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v0, element: d1}\n",
     "lab.yaml:5: volumes[0].element: there is no element 'd1'; allowed: the name of one of "
     "elements"},
    {LAB "elements:\n"
         "  - {name: d0, image: a}\n"
         "  - {name: d1, image: b}\n"
         "  - {name: d1, image: c}\n"
         "  - {name: d0, image: d}\n" VOLUMES,
     "lab.yaml:5: elements[2].name: 'd1' is already the name of elements[1] on line 4; allowed: "
     "each name once"},
    {LAB "elements:\n"
         "  - {name: d0, image: a}\n"
         "  - {name: d0, image: b}\n"
         "  - {name: d1, image: c}\n"
         "  - {name: d1, image: d}\n" VOLUMES,
     "lab.yaml:4: elements[1].name: 'd0' is already the name of elements[0] on line 3; allowed: "
     "each name once"},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v0, element: d0, size: 4096}\n"
                  "  - {name: v1, element: d0, offset: 1MiB, size: 4096}\n"
                  "  - {name: v0, element: d0, offset: 2MiB}\n",
     "lab.yaml:7: volumes[2].name: 'v0' is already the name of volumes[0] on line 5; allowed: each "
     "name once"},
};

static const struct refusal images[] = {
    {LAB "elements:\n"
         "  - {name: d0, image: \"\"}\n" VOLUMES,
     "lab.yaml:3: elements[0].image: empty; allowed: " PATH_RULE},
    {LAB "elements:\n"
         "  - {name: d0, image: d.img}\n"
         "  - {name: d1, image: d.img}\n" VOLUMES,
     "lab.yaml:4: elements[1].image: 'd.img' is already the image of elements[0] on line 3; "
     "allowed: each image once"},
    {LAB "elements:\n"
         "  - {name: d0, image: d.img}\n"
         "  - {name: d1, image: ././/d.img}\n" VOLUMES,
     "lab.yaml:4: elements[1].image: 'd.img' is already the image of elements[0] on line 3; "
     "allowed: each image once"},
    {LAB "elements:\n"
         "  - {name: d0, image: /a/b.img}\n"
         "  - {name: d1, image: //a/./b.img}\n" VOLUMES,
     "lab.yaml:4: elements[1].image: '/a/b.img' is already the image of elements[0] on line 3; "
     "allowed: each image once"},
    {TOP("run-dir: \"\"\n"), "lab.yaml:6: run-dir: empty; allowed: " PATH_RULE},
};

static const struct refusal numbers[] = {
    {TOP("controllers: 0\n"), "lab.yaml:6: controllers: '0' is out of range; allowed: 1 to 64"},
    {TOP("controllers: 65\n"), "lab.yaml:6: controllers: '65' is out of range; allowed: 1 to 64"},
    {TOP("controllers: -1\n"),
     "lab.yaml:6: controllers: '-1' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: +1\n"),
     "lab.yaml:6: controllers: '+1' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: 1.5\n"),
     "lab.yaml:6: controllers: '1.5' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: 0x10\n"),
     "lab.yaml:6: controllers: '0x10' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: 010\n"),
     "lab.yaml:6: controllers: '010' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: 1e1\n"),
     "lab.yaml:6: controllers: '1e1' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: 1 2\n"),
     "lab.yaml:6: controllers: '1 2' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: 4x\n"),
     "lab.yaml:6: controllers: '4x' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: 18446744073709551616\n"),
     "lab.yaml:6: controllers: '18446744073709551616' is out of range; allowed: 1 to 64"},
    {TOP("controllers: two\n"),
     "lab.yaml:6: controllers: 'two' is not a whole number; allowed: 1 to 64"},
    {TOP("controllers: \"\"\n"),
     "lab.yaml:6: controllers: '' is not a whole number; allowed: 1 to 64"},
    {ELEMENT(", controller: 1"), "lab.yaml:3: elements[0].controller: there is no controller 1; "
                                 "allowed: 0 to 0 (controllers is 1)"},
    {ELEMENT(", controller: 64"),
     "lab.yaml:3: elements[0].controller: '64' is out of range; allowed: 0 to 63"},
    {ELEMENT(", controller: -1"),
     "lab.yaml:3: elements[0].controller: '-1' is not a whole number; allowed: 0 to 63"},
    {"controllers: 4\n"
     "array: lab\n"
     "elements:\n"
     "  - {name: d0, image: d0.img, controller: 4}\n" VOLUMES,
     "lab.yaml:4: elements[0].controller: there is no controller 4; allowed: 0 to 3 (controllers "
     "is 4)"},
    {TOP("connections: 0\n"), "lab.yaml:6: connections: '0' is out of range; allowed: 1 to 4096"},
    {TOP("connections: 4097\n"),
     "lab.yaml:6: connections: '4097' is out of range; allowed: 1 to 4096"},
    {TOP("handshake-timeout: 0\n"),
     "lab.yaml:6: handshake-timeout: '0' is out of range; allowed: 1 to 3600"},
    {TOP("handshake-timeout: 3601\n"),
     "lab.yaml:6: handshake-timeout: '3601' is out of range; allowed: 1 to 3600"},
    {TOP("handshake-timeout: 10s\n"),
     "lab.yaml:6: handshake-timeout: '10s' is not a whole number; allowed: 1 to 3600"},
    {TOP("interconnect: {slots: 0}\n"),
     "lab.yaml:6: interconnect.slots: '0' is out of range; allowed: 1 to 4096"},
    {TOP("interconnect: {slots: 4097}\n"),
     "lab.yaml:6: interconnect.slots: '4097' is out of range; allowed: 1 to 4096"},
    {TOP("interconnect: {ring-entries: 3}\n"),
     "lab.yaml:6: interconnect.ring-entries: '3' is not a power of two; allowed: a power of two, 2 "
     "to 4096"},
    {TOP("interconnect: {ring-entries: 1}\n"), "lab.yaml:6: interconnect.ring-entries: '1' is out "
                                               "of range; allowed: a power of two, 2 to 4096"},
    {TOP("interconnect: {ring-entries: 8192}\n"),
     "lab.yaml:6: interconnect.ring-entries: '8192' is out of range; allowed: a power of two, 2 to "
     "4096"},
};

static const struct refusal sizes[] = {
    {ELEMENT(", size: 0"), "lab.yaml:3: elements[0].size: '0' is too small; allowed: " SIZE_RULE},
    {ELEMENT(", size: 0KiB"),
     "lab.yaml:3: elements[0].size: '0KiB' is too small; allowed: " SIZE_RULE},
    {ELEMENT(", size: -1"),
     "lab.yaml:3: elements[0].size: '-1' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 1 GiB"),
     "lab.yaml:3: elements[0].size: '1 GiB' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 1e9"),
     "lab.yaml:3: elements[0].size: '1e9' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 0x10"),
     "lab.yaml:3: elements[0].size: '0x10' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 1.5GiB"),
     "lab.yaml:3: elements[0].size: '1.5GiB' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 010"),
     "lab.yaml:3: elements[0].size: '010' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 1gib"),
     "lab.yaml:3: elements[0].size: '1gib' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: GiB"),
     "lab.yaml:3: elements[0].size: 'GiB' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 1GiBs"),
     "lab.yaml:3: elements[0].size: '1GiBs' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 1B"),
     "lab.yaml:3: elements[0].size: '1B' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: 4096PiB"),
     "lab.yaml:3: elements[0].size: '4096PiB' is too large; allowed: " SIZE_RULE},
    {ELEMENT(", size: 4611686018427387904"),
     "lab.yaml:3: elements[0].size: '4611686018427387904' is too large; allowed: " SIZE_RULE},
    {ELEMENT(", size: 99999999999999999999"),
     "lab.yaml:3: elements[0].size: '99999999999999999999' is too large; allowed: " SIZE_RULE},
    {ELEMENT(", size: 99999999999999999999X"),
     "lab.yaml:3: elements[0].size: '99999999999999999999X' is not a size; allowed: " SIZE_RULE},
    {ELEMENT(", size: \"\""),
     "lab.yaml:3: elements[0].size: '' is not a size; allowed: " SIZE_RULE},
    {TOP("cache: {size: 0}\n"),
     "lab.yaml:6: cache.size: '0' is too small; allowed: " CACHE_SIZE_RULE},
    {TOP("cache: {size: 1023KiB}\n"),
     "lab.yaml:6: cache.size: '1023KiB' is too small; allowed: " CACHE_SIZE_RULE},
    {TOP("cache: {size: 2TiB}\n"),
     "lab.yaml:6: cache.size: '2TiB' is too large; allowed: " CACHE_SIZE_RULE},
    {TOP("buffers: {size: 39MiB}\n"),
     "lab.yaml:6: buffers.size: '39MiB' is too small; allowed: " BUFFERS_SIZE_RULE},
    {TOP("buffers: {size: 2GiB}\n"),
     "lab.yaml:6: buffers.size: '2GiB' is too large; allowed: " BUFFERS_SIZE_RULE},
    {TOP("buffers: {size: lots}\n"),
     "lab.yaml:6: buffers.size: 'lots' is not a size; allowed: " BUFFERS_SIZE_RULE},
};

static const struct refusal ranges[] = {
    {VOLUME(", offset: 1"),
     "lab.yaml:5: volumes[0].offset: '1' is not a multiple of 4096; allowed: " OFFSET_RULE},
    {VOLUME(", offset: -4096"),
     "lab.yaml:5: volumes[0].offset: '-4096' is not a size; allowed: " OFFSET_RULE},
    {VOLUME(", offset: 4095"),
     "lab.yaml:5: volumes[0].offset: '4095' is not a multiple of 4096; allowed: " OFFSET_RULE},
    {VOLUME(", offset: 1GiB"),
     "lab.yaml:5: volumes[0].offset: beyond the end of element d0; allowed: below 1GiB"},
    {VOLUME(", offset: 2GiB, size: 4096"),
     "lab.yaml:5: volumes[0].offset: beyond the end of element d0; allowed: below 1GiB"},
    {VOLUME(", size: 0"), "lab.yaml:5: volumes[0].size: '0' is too small; allowed: " SIZE_RULE},
    {VOLUME(", size: 2GiB"), "lab.yaml:5: volumes[0].size: reaches beyond the end of element d0, "
                             "1GiB; allowed: up to 1GiB"},
    {VOLUME(", offset: 4096, size: 1GiB"), "lab.yaml:5: volumes[0].size: reaches beyond the end of "
                                           "element d0, 1GiB; allowed: up to 1048572KiB"},
    {LAB "elements:\n"
         "  - {name: d0, image: d0.img}\n"
         "volumes:\n"
         "  - {name: v0, element: d0, offset: 2048PiB, size: 2048PiB}\n",
     "lab.yaml:5: volumes[0].size: offset and size are too large; allowed: below 4096PiB together"},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v0, element: d0, size: 1MiB}\n"
                  "  - {name: v1, element: d0, offset: 1020KiB, size: 1MiB}\n",
     "lab.yaml:6: volumes[1].offset: volume v1 (line 6) overlaps volume v0 (line 5) on element d0; "
     "allowed: each block in one volume"},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v0, element: d0, offset: 1020KiB, size: 1MiB}\n"
                  "  - {name: v1, element: d0, size: 1MiB}\n",
     "lab.yaml:6: volumes[1].offset: volume v1 (line 6) overlaps volume v0 (line 5) on element d0; "
     "allowed: each block in one volume"},
    {TOP("  - {name: v1, element: d0}\n"),
     "lab.yaml:6: volumes[1].offset: volume v1 (line 6) overlaps volume v0 (line 5) on element d0; "
     "allowed: each block in one volume"},
    {LAB ELEMENTS "volumes:\n"
                  "  - {name: v0, element: d0, size: 1GiB}\n"
                  "  - {name: v1, element: d0, offset: 4096, size: 4096}\n"
                  "  - {name: v2, element: d0, offset: 1MiB, size: 4096}\n",
     "lab.yaml:6: volumes[1].offset: volume v1 (line 6) overlaps volume v0 (line 5) on element d0; "
     "allowed: each block in one volume"},
    {LAB "elements:\n"
         "  - {name: d0, image: d0.img}\n"
         "volumes:\n"
         "  - {name: v0, element: d0}\n"
         "  - {name: v1, element: d0, offset: 1TiB}\n",
     "lab.yaml:6: volumes[1].offset: volume v1 (line 6) overlaps volume v0 (line 5) on element d0; "
     "allowed: each block in one volume"},
};

static const struct refusal choices_and_switches[] = {
    {TOP("cache: {mode: on}\n"),
     "lab.yaml:6: cache.mode: 'on' is unknown; allowed: off, write-through, write-back"},
    {TOP("cache: {mode: Write-Back}\n"),
     "lab.yaml:6: cache.mode: 'Write-Back' is unknown; allowed: off, write-through, write-back"},
    {TOP("cache: {mode: 1}\n"),
     "lab.yaml:6: cache.mode: '1' is unknown; allowed: off, write-through, write-back"},
    {TOP("cache: {policy: fifo}\n"),
     "lab.yaml:6: cache.policy: 'fifo' is unknown; allowed: s3-fifo, sieve, arc, lru"},
    {TOP("heartbeat: 3601\n"), "lab.yaml:6: heartbeat: '3601' is out of range; allowed: 0 to 3600"},
    {TOP("follow-traffic: 3601\n"),
     "lab.yaml:6: follow-traffic: '3601' is out of range; allowed: 0 to 3600"},
    {TOP("restart: always\n"),
     "lab.yaml:6: restart: 'always' is unknown; allowed: never, on-death"},
    {TOP("placement: 0\n"), "lab.yaml:6: placement: '0' is unknown; allowed: auto, none, spread"},
    {VOLUME(", read-only: yes"),
     "lab.yaml:5: volumes[0].read-only: 'yes' is neither true nor false; allowed: true, false"},
    {VOLUME(", export: 0"),
     "lab.yaml:5: volumes[0].export: '0' is neither true nor false; allowed: true, false"},
    {VOLUME(", rotational: True"),
     "lab.yaml:5: volumes[0].rotational: 'True' is neither true nor false; allowed: true, false"},
    {ELEMENT(", checksums: 1"),
     "lab.yaml:3: elements[0].checksums: '1' is neither true nor false; allowed: true, false"},
    {ELEMENT(", checksums: true, superblock: false"),
     "lab.yaml:3: elements[0].checksums: true, and superblock is false, which says where they are; "
     "allowed: with a superblock only"},
    {ELEMENT(", checksums: true, size: 5000"),
     "lab.yaml:3: elements[0].checksums: true, and size is 5000; allowed: with a multiple of 4096 "
     "bytes"},
    {ELEMENT(", checksums: true, size: 2TiB"),
     "lab.yaml:3: elements[0].checksums: true, and size is 2199023255552, whose checksums would "
     "take 2147483648 bytes of memory; allowed: up to 1099511627776 bytes (1TiB), whose checksums "
     "take 1GiB"},
    {ELEMENT(", superblock: maybe"),
     "lab.yaml:3: elements[0].superblock: 'maybe' is neither true nor false; allowed: true, false"},
    {ELEMENT(", read-only: \"no\""),
     "lab.yaml:3: elements[0].read-only: 'no' is neither true nor false; allowed: true, false"},
    {VOLUME(", description: "
            "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
            "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"),
     "lab.yaml:5: volumes[0].description: too long: 160 bytes; allowed: a text of 0 to 159 bytes"},
};

static const struct refusal ports[] = {
    {TOP("ports: {tcp: \"10809\"}\n"),
     "lab.yaml:6: ports.tcp: '10809' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1\"}\n"),
     "lab.yaml:6: ports.tcp: '127.0.0.1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1:\"}\n"),
     "lab.yaml:6: ports.tcp: '127.0.0.1:' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \":10809\"}\n"),
     "lab.yaml:6: ports.tcp: ':10809' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1:x\"}\n"),
     "lab.yaml:6: ports.tcp: '127.0.0.1:x' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1:65536\"}\n"), "lab.yaml:6: ports.tcp: '127.0.0.1:65536' is not "
                                                 "an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1:-1\"}\n"),
     "lab.yaml:6: ports.tcp: '127.0.0.1:-1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1:10809 \"}\n"),
     "lab.yaml:6: ports.tcp: '127.0.0.1:10809 ' is not an address and a port; "
     "allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"::1:10809\"}\n"),
     "lab.yaml:6: ports.tcp: '::1:10809' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"[::1]\"}\n"),
     "lab.yaml:6: ports.tcp: '[::1]' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"[::1:10809\"}\n"),
     "lab.yaml:6: ports.tcp: '[::1:10809' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"[]:1\"}\n"),
     "lab.yaml:6: ports.tcp: '[]:1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"[lab]:1\"}\n"),
     "lab.yaml:6: ports.tcp: '[lab]:1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"[::1%]:1\"}\n"),
     "lab.yaml:6: ports.tcp: '[::1%]:1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"[1:2:3:4:5:6:7:8:9]:1\"}\n"),
     "lab.yaml:6: ports.tcp: '[1:2:3:4:5:6:7:8:9]:1' is not an address and a port; "
     "allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1.1:1\"}\n"),
     "lab.yaml:6: ports.tcp: '127.0.0.1.1:1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"256.0.0.1:1\"}\n"),
     "lab.yaml:6: ports.tcp: '256.0.0.1:1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"-lab:1\"}\n"),
     "lab.yaml:6: ports.tcp: '-lab:1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"l_b!:1\"}\n"),
     "lab.yaml:6: ports.tcp: 'l_b!:1' is not an address and a port; allowed: " ADDRESS_RULE},
    {TOP("ports: {tcp: \"127.0.0.1:65535\"}\n"),
     "lab.yaml:6: ports.tcp: port 65535 leaves no ports for the controllers, up to 65536; allowed: "
     "a port up to 65534 (controllers is 1), or 0"},
    {"controllers: 4\n"
     "array: lab\n"
     "elements:\n"
     "  - {name: d0, image: d0.img, size: 1GiB}\n"
     "volumes:\n"
     "  - {name: v0, element: d0}\n"
     "ports: {tcp: \"lab:65532\"}\n",
     "lab.yaml:7: ports.tcp: port 65532 leaves no ports for the controllers, up to 65536; allowed: "
     "a port up to 65531 (controllers is 4), or 0"},
};

static const struct refusal interconnect_settings[] = {
    {TOP("interconnect: {model: ring}\n"),
     "lab.yaml:6: interconnect.model: 'ring' is unknown; allowed: direct, serial, loop, switch"},
    {TOP("interconnect: {latency: 1us}\n"),
     "lab.yaml:6: interconnect.latency: it belongs to model: serial, loop or switch; allowed: with "
     "that model only"},
    {TOP("interconnect: {model: direct, bandwidth: 1GB}\n"),
     "lab.yaml:6: interconnect.bandwidth: it belongs to model: serial, loop or switch; allowed: "
     "with that model only"},
    {TOP("interconnect: {model: switch, hop-delay: 1us}\n"),
     "lab.yaml:6: interconnect.hop-delay: it belongs to model: loop; allowed: with that model "
     "only"},
    {TOP("interconnect: {model: serial, latency: 5}\n"),
     "lab.yaml:6: interconnect.latency: '5' is not a time; allowed: a time such as 500ns, 5us, 1ms "
     "or 2s, up to 10s"},
    {TOP("interconnect: {model: serial, latency: 10001ms}\n"),
     "lab.yaml:6: interconnect.latency: '10001ms' is too long; allowed: a time such as 500ns, 5us, "
     "1ms or 2s, up to 10s"},
    {TOP("interconnect: {model: serial, latency: 99999999999s}\n"),
     "lab.yaml:6: interconnect.latency: '99999999999s' is too long; allowed: a time such as 500ns, "
     "5us, 1ms or 2s, up to 10s"},
    {TOP("interconnect: {model: serial, bandwidth: 4096}\n"),
     "lab.yaml:6: interconnect.bandwidth: '4096' is too small; allowed: a size such as 64MiB, from "
     "1MiB to 1TiB"},
    {TOP("interconnect: {wait: 3601}\n"),
     "lab.yaml:6: interconnect.wait: '3601' is out of range; allowed: 0 to 3600"},
    {TOP("interconnect: {share: 2}\n"),
     "lab.yaml:6: interconnect.share: '2' is neither true nor false; allowed: true, false"},
};

static void check_refusals(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_refusal(refusals[i].yaml, strlen(refusals[i].yaml), refusals[i].message);
}

static void refuses_document(void)
{
    check_refusals(document, sizeof(document) / sizeof(document[0]));
}

static void refuses_aliases_and_tags(void)
{
    check_refusals(aliases_and_tags, sizeof(aliases_and_tags) / sizeof(aliases_and_tags[0]));
}

static void refuses_bytes(void)
{
    check_refusals(bytes, sizeof(bytes) / sizeof(bytes[0]));
}

static void refuses_unknown_and_missing_fields(void)
{
    check_refusals(unknown_and_missing_fields,
                   sizeof(unknown_and_missing_fields) / sizeof(unknown_and_missing_fields[0]));
}

static void refuses_types(void)
{
    check_refusals(types, sizeof(types) / sizeof(types[0]));
}

static void refuses_names(void)
{
    check_refusals(names, sizeof(names) / sizeof(names[0]));
}

static void refuses_images(void)
{
    check_refusals(images, sizeof(images) / sizeof(images[0]));
}

static void refuses_numbers(void)
{
    check_refusals(numbers, sizeof(numbers) / sizeof(numbers[0]));
}

static void refuses_sizes(void)
{
    check_refusals(sizes, sizeof(sizes) / sizeof(sizes[0]));
}

static void refuses_ranges(void)
{
    check_refusals(ranges, sizeof(ranges) / sizeof(ranges[0]));
}

static void refuses_choices_and_switches(void)
{
    check_refusals(choices_and_switches,
                   sizeof(choices_and_switches) / sizeof(choices_and_switches[0]));
}

static void refuses_ports(void)
{
    check_refusals(ports, sizeof(ports) / sizeof(ports[0]));
}

static void refuses_interconnect_settings(void)
{
    check_refusals(interconnect_settings,
                   sizeof(interconnect_settings) / sizeof(interconnect_settings[0]));
}

void add_refusal_tests(CU_pSuite suite)
{
    CU_ADD_TEST(suite, refuses_document);
    CU_ADD_TEST(suite, refuses_aliases_and_tags);
    CU_ADD_TEST(suite, refuses_bytes);
    CU_ADD_TEST(suite, refuses_unknown_and_missing_fields);
    CU_ADD_TEST(suite, refuses_types);
    CU_ADD_TEST(suite, refuses_names);
    CU_ADD_TEST(suite, refuses_images);
    CU_ADD_TEST(suite, refuses_numbers);
    CU_ADD_TEST(suite, refuses_sizes);
    CU_ADD_TEST(suite, refuses_ranges);
    CU_ADD_TEST(suite, refuses_choices_and_switches);
    CU_ADD_TEST(suite, refuses_ports);
    CU_ADD_TEST(suite, refuses_interconnect_settings);
}
