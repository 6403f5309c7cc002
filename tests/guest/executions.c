/*
 * executions.c: a TCG plugin of the tests, and a second counter beside the wedge: how often the instructions at given addresses ran, whatever they
 * touched.
 *
 *	-plugin libexecutions.so,sites=FILE,out=FILE	sites: a hexadecimal address a line; out: the same with the count behind
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin_v1.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct site {
	uint64_t address;
	uint64_t count;
};

static struct site *sites;
static size_t n_sites;
static const char *out;

static int compare(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void executed(unsigned int vcpu, void *site)
{
	(void)vcpu;
	__atomic_fetch_add(&((struct site *)site)->count, 1, __ATOMIC_RELAXED);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		struct site key = { .address = qemu_plugin_insn_vaddr(insn) };
		struct site *site = bsearch(&key, sites, n_sites, sizeof(key), compare);

		if (site)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, QEMU_PLUGIN_CB_NO_REGS, site);
	}
}

static void ended(qemu_plugin_id_t id, void *unused)
{
	FILE *file = fopen(out, "w");
	size_t i;

	(void)id;
	(void)unused;
	for (i = 0; file && i < n_sites; i++)
		fprintf(file, "%" PRIx64 " %" PRIu64 "\n", sites[i].address, sites[i].count);
	if (!file || fclose(file))
		perror(out);
}

static int read_sites(const char *path)
{
	FILE *file = fopen(path, "r");
	uint64_t address;

	if (!file) {
		perror(path);
		return -1;
	}
	while (fscanf(file, "%" SCNx64, &address) == 1) {
		sites = realloc(sites, (n_sites + 1) * sizeof(*sites));
		if (!sites)
			abort();
		sites[n_sites++] = (struct site){ .address = address };
	}
	fclose(file);
	qsort(sites, n_sites, sizeof(*sites), compare);
	return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
		else if (strncmp(argv[i], "sites=", 6) || read_sites(argv[i] + 6))
			return -1;
	}
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
