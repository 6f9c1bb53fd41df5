/*
 * Places where a test kills the process: CRASH_POINT("reserve.published") stands between two steps
 * that others may see. It is nothing but in the builds of tests/crash, and of tests/sim, where
 * others may run there as well: they define ANYPORT_CRASH_POINTS and the function.
 */
#ifndef SHM_CRASH_POINT_H
#define SHM_CRASH_POINT_H

#ifdef ANYPORT_CRASH_POINTS
void crash_point(const char *name);
#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif

#endif
