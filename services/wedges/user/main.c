/*
 * main.c: reheat-user, the user-mode wedge as a program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user.h"

enum { FAILED = 1, USAGE = 2, BAD_INPUT = 3 };

struct options options = { .guest = "guest", .capacity = RH_DEFAULT_CAPACITY, .rewrite = true };

static uint64_t guest_ip;

static const char help[] =
	"usage: reheat-user --session DIR [OPTION]... PROGRAM\n"
	"\n"
	"Runs PROGRAM, a guest linked with -static -no-pie that brings its own start-up code, as a process: its devices' registers\n"
	"and its page tables trap, are recorded in the session and emulated. Sites that PROGRAM's records (.afterburn.*) name\n"
	"are rewritten and trap no more. What the guest sends to its UART is standard output; its exit code is this one's.\n"
	"Stream the session with: reheat agent --session DIR --image PROGRAM\n"
	"\n"
	"  --session DIR      the session directory; made if it is not there, refused if it holds a session\n"
	"  --guest NAME       its name (default: guest)\n"
	"  --ring-records N   records of the ring, a power of two (default 2097152)\n"
	"  --no-rewrite       leave all sites as they are: everything traps\n"
	"  --report FILE      what became of each site, a line each, written at the end; - is standard error\n"
	"\n"
	"Exit: 1 the guest did what cannot be done here, 2 wrong command line, 3 a program or session that cannot be used;\n"
	"128 and the signal's number if interrupted.\n";

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "reheat-user: %s%s%s; see reheat-user --help\n", what, value ? " " : "", value ? value : "");
	return USAGE;
}

static int parse_capacity(const char *value)
{
	char *end;

	errno = 0;
	options.capacity = strtoull(value, &end, 10);
	if (errno || end == value || *end || !options.capacity || options.capacity > RH_MAX_CAPACITY || (options.capacity & (options.capacity - 1)))
		return wrong("--ring-records: expected a power of two up to 268435456, not", value);
	return 0;
}

static int parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "session", required_argument, NULL, 's' }, { "guest", required_argument, NULL, 'g' },
		{ "ring-records", required_argument, NULL, 'n' }, { "no-rewrite", no_argument, NULL, 'r' },
		{ "report", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c, failed;

	while ((c = getopt_long(argc, argv, "+h", known, NULL)) != -1)
		switch (c) {
		case 's':
			options.directory = optarg;
			break;
		case 'g':
			options.guest = optarg;
			if (!*optarg || strchr(optarg, '\n'))
				return wrong("--guest: expected a name in one line", NULL);
			break;
		case 'n':
			failed = parse_capacity(optarg);
			if (failed)
				return failed;
			break;
		case 'r':
			options.rewrite = false;
			break;
		case 'o':
			options.report = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			return wrong("wrong command line", NULL);
		}
	if (!options.directory)
		return wrong("--session DIR is missing", NULL);
	if (optind != argc - 1)
		return wrong(optind == argc ? "PROGRAM is missing" : "expected one PROGRAM, found also", optind == argc ? NULL : argv[optind + 1]);
	options.program = argv[optind];
	return 0;
}

static void write_report(void)
{
	FILE *out = !options.report ? NULL : strcmp(options.report, "-") ? fopen(options.report, "w") : stderr;

	if (options.report && !out)
		fprintf(stderr, "reheat-user: %s: %s\n", options.report, strerror(errno));
	if (out)
		rewrite_report(out);
	if (out && out != stderr && fclose(out))
		fprintf(stderr, "reheat-user: %s: %s\n", options.report, strerror(errno));
}

static _Noreturn void end(int code)
{
	uint64_t traps, hits, dropped;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	uart_flush();
	session_close();
	session_totals(&traps, &hits, &dropped);
	fprintf(stderr, "reheat-user: %u of %u sites rewritten; %llu traps, %llu hits, %llu of them dropped\n", n_rewritten, n_sites,
		(unsigned long long)traps, (unsigned long long)hits, (unsigned long long)dropped);
	write_report();
	fflush(NULL);
	_exit(code);
}

void guest_power_off(unsigned int code)
{
	end((int)code);
}

void guest_interrupted(int number)
{
	end(128 + number);
}

void guest_at(uint64_t ip)
{
	guest_ip = ip;
}

void guest_fault(const char *what, uint64_t address)
{
	/* A thunk does not say where it was called from; a trap does. */
	fprintf(stderr, "reheat-user: the guest %s 0x%llx (last trap at 0x%llx)\n", what, (unsigned long long)address, (unsigned long long)guest_ip);
	end(FAILED);
}

void guest_cannot(uint64_t ip, const char *why)
{
	unsigned int i;

	fprintf(stderr, "reheat-user: cannot emulate the instruction at 0x%llx: %s; bytes", (unsigned long long)ip, why);
	for (i = 0; i < 15 && machine_is_memory(ip + i, 1); i++)
		fprintf(stderr, " %02x", *machine_at(ip + i));
	fputc('\n', stderr);
	end(FAILED);
}

int main(int argc, char **argv)
{
	int failed = parse(argc, argv);

	if (failed)
		return failed;
	machine_open();
	if (program_load() || rewrite_all() || session_open())
		return BAD_INPUT;
	if (trap_open()) {
		perror("reheat-user: signal handlers");
		return FAILED;
	}
	trap_enter(program.entry);
}
