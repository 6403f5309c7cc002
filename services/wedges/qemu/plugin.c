/*
 * plugin.c: the wedge as QEMU loads it.
 *
 *	-plugin libreheat-qemu.so,dir=DIR[,guest=NAME][,inside=0xLOW-0xHIGH]...[,annotated=FILE][,tables=off|writes|all]
 *		[,capacity=N][,bits=16|32|64][,walk=off][,filter=off][,frames=FILE]
 */
#include <stdio.h>

#include "wedge.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

static void vcpu_init(qemu_plugin_id_t id, unsigned int index)
{
	(void)id;
	session_add_vcpu(index);
}

static void vcpu_exit(qemu_plugin_id_t id, unsigned int index)
{
	(void)id;
	session_close_vcpu(index);
}

/* A vCPU that slept may wake up in another state: a snapshot was loaded, or the machine was reset. */
static void vcpu_resume(qemu_plugin_id_t id, unsigned int index)
{
	(void)id;
	if (vcpus[index])
		ram_forget(index, NULL);
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	map_write();	/* what waits for the rings' end finds it */
	session_close();
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	if (!info->system_emulation) {
		fprintf(stderr, "reheat: user-mode emulation has no devices; use qemu-system-*\n");
		return -1;
	}
	if (options_parse(argc, argv) || annotated_open())
		return -1;
	physical_open();
	if (options.tables != TABLES_OFF && !memory_open(info)) {
		fprintf(stderr, "reheat: option tables: this QEMU does not export its walk of page tables and its registers "
				"(or walk=off is given); pass tables=off\n");
		return -1;
	}
	if (tables_check())
		return -1;
	translate_open(info);
	if (session_open(info))
		return -1;
	qemu_plugin_register_vcpu_init_cb(id, vcpu_init);
	qemu_plugin_register_vcpu_exit_cb(id, vcpu_exit);
	qemu_plugin_register_vcpu_resume_cb(id, vcpu_resume);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
