/* mmu.h: what the loader gives the page-table unit. */
#ifndef REHEAT_MMU_H
#define REHEAT_MMU_H

#include "machine.h"

extern uint16_t *mmu_references;
extern uint8_t *mmu_writable;

#endif
