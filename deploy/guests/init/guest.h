/*
 * The guest's only program. Each work_*() makes the kernel touch one kind of sensitive memory and returns when every answer it
 * asked for has come, so that what is printed is the same at every boot.
 */
#ifndef REHEAT_GUEST_H
#define REHEAT_GUEST_H

#define ETHER "eth0"

/* Prints "reheat: " and a line. Nothing that differs between two boots belongs in it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints "reheat: FAIL what errno" and goes on: a guest that stops early hides what else works. */
void fail(const char *what);

/* Writes text to a file of proc or sysfs; 0 or -1 with errno. */
int put(const char *path, const char *text);

/* Brings the network card up, with the address that QEMU's user network expects; 0 or -1 after fail(). */
int net_up(void);
/* Takes it down again, which resets the card. */
void net_down(void);

void work_net(int rounds);
void work_memory(int rounds);
void work_time(int rounds);
void work_console(int rounds);

#endif
