#pragma once
// Translates what lib/device/program.ts and sampling-slot.ts pass. JavaScript thread only.

#include "fields.h"

// Reads a recording into a program that owns its buffers, none of which has memory yet.
ProgramSpec read_program(const Fields& o, Memory& memory);

// Reads one sampling slot; its token ids must be below `vocab_size`.
SlotSetting read_slot(const Fields& o, i32 vocab_size);
