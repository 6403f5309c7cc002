/*
 * session_files.h: a session directory as reheat_ring.h describes it, for wedges that are processes: wedge.info, rings, the
 * code file. Every file appears whole, under its name at once, and its blocks are reserved: a full disk refuses
 * the start instead of killing the guest later. What fails says so on standard error.
 */
#ifndef REHEAT_SESSION_FILES_H
#define REHEAT_SESSION_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../include/reheat_ring.h"

/* Makes the directory if it is not there, and draws the session's epoch. Returns 0, or -1 after a message. */
int session_files_open(const char *directory);

/* The text of wedge.info, begun with what every wedge says; further lines are the caller's. NULL after a message. */
FILE *session_files_info(const char *kind, const char *version, const char *guest);
/* Gives it its name, and makes the code file. Returns 0, or -1 after a message: the directory may hold another session. */
int session_files_begin(FILE *info);

/* An empty ring under its name, or NULL after a message. */
void *session_files_ring(unsigned int number, uint64_t capacity);
/* As an empty ring in memory alone, for a producer that cannot have a file; capacity 1. */
void *session_files_no_ring(unsigned int number);

/* Appends to the code file, or counts that it is full. One caller at a time. */
void session_files_tell(uint64_t ip, const uint8_t *bytes, size_t length);

#endif
