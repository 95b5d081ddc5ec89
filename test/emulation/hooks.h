#pragma once
// What the checking build (PA_EMULATION_CHECK) hears of; nothing in the other builds.

#include "cta_state.h"

namespace emulation::hooks {

enum class Region : u8 { kFreed, kUninitialised, kInitialised };
enum class Access : u8 { kRead, kWrite, kCopyIssued, kCopyLanded };

#if defined(PA_EMULATION_CHECK)
void begin_launch();
void begin_cta(Cta& cta);
// Threads told between begin and end synchronise with each other.
void begin_meeting();
void meet(const Thread& thread);
void end_meeting();
// The state of device memory, and of a piece of the arena.
void region(const void* data, size_t bytes, Region state);
void shared_region(char* arena, const void* data, size_t bytes, Region state);
// Device memory was freed.
void forget(const void* data, size_t bytes);
void access(const void* data, size_t bytes, Access kind, const Thread& thread, Location location);
#else
inline void begin_launch() {}
inline void begin_cta(Cta&) {}
inline void begin_meeting() {}
inline void meet(const Thread&) {}
inline void end_meeting() {}
inline void region(const void*, size_t, Region) {}
inline void shared_region(char*, const void*, size_t, Region) {}
inline void forget(const void*, size_t) {}
inline void access(const void*, size_t, Access, const Thread&, Location) {}
#endif

}  // namespace emulation::hooks
