/* How a controller's cache works: what the configuration says, and the segment's header shows. */
#ifndef SHM_CACHE_MODE_H
#define SHM_CACHE_MODE_H

enum cache_mode { CACHE_OFF, CACHE_WRITE_THROUGH, CACHE_WRITE_BACK };
enum cache_policy_kind { CACHE_S3_FIFO, CACHE_SIEVE, CACHE_ARC, CACHE_LRU };

#endif
