/*
 * translate.c: at translation, decides for each instruction whether it gets callbacks, and which.
 */
#include <pthread.h>
#include <string.h>

#include "insn.h"
#include "wedge.h"

static bool target_is_i386;
static pthread_once_t first = PTHREAD_ONCE_INIT;

void translate_open(const qemu_info_t *info)
{
	target_is_i386 = info->target_name && !strcmp(info->target_name, "i386");
}

/*
 * The address tells a 64-bit kernel's code. Below, a 64-bit machine may run 16-, 32- and 64-bit code; there the
 * option decides for code inside, and elsewhere the instruction's length has to (insn_decode).
 */
static int bits_of(uint64_t ip, bool inside)
{
	if (ip >> 47)
		return 64;
	if (inside && options.bits)
		return options.bits;
	return inside && target_is_i386 && options.ranges ? 32 : 0;
}

static uint64_t rip_relative(const struct insn *insn, const uint8_t *bytes, uint64_t ip, size_t length)
{
	int32_t displacement;

	if (insn->displacement_at + sizeof(displacement) > length)
		return 0;
	memcpy(&displacement, bytes + insn->displacement_at, sizeof(displacement));
	return ip + length + (uint64_t)(int64_t)displacement;
}

/*
 * Operands of 64-bit code that are no device's: on the stack, per-CPU and thread-local (gs, fs), and data of the
 * image itself, which the instruction names relative to its own address.
 */
static bool is_never_device(const struct insn *insn, const uint8_t *bytes, uint64_t ip, size_t length)
{
	if (insn->bits != 64 || insn->vex || insn->address_size || !insn->has_modrm)
		return false;
	if (insn->segment == 0x64 || insn->segment == 0x65)
		return true;
	if ((insn->modrm & 7) == 4)
		return (insn->sib & 7) == 4 && !(insn->rex & 1);
	/* The image's own data has page tables too: those that the kernel begins with, and the root of all. */
	return (insn->modrm & 0xc7) == 5 && options.tables == TABLES_OFF && options.ranges &&
	       options_inside(rip_relative(insn, bytes, ip, length));
}

static enum shape shape_of(const struct insn *insn)
{
	if (insn_is_rmw(insn))
		return EXCHANGE;
	if (insn->rep && insn_is_string(insn))
		return REP;
	switch (insn_wide_bytes(insn)) {
	case 16:
		return WIDE16;
	case 32:
		return WIDE32;
	}
	return PLAIN;
}

static void watch_effect(struct qemu_plugin_insn *q, const struct insn *insn)
{
	switch (insn_effect(insn)) {
	case EFFECT_TRANSLATION:
		qemu_plugin_register_vcpu_insn_exec_cb(q, ram_forget, QEMU_PLUGIN_CB_NO_REGS, NULL);
		break;
	case EFFECT_NESTED:
		qemu_plugin_register_vcpu_insn_exec_cb(q, ram_give_up, QEMU_PLUGIN_CB_NO_REGS, NULL);
		break;
	case EFFECT_NONE:
		break;
	}
}

static void instrument(struct qemu_plugin_insn *q, bool begins_block)
{
	const uint8_t *bytes = qemu_plugin_insn_data(q);
	size_t length = qemu_plugin_insn_size(q);
	uint64_t ip = qemu_plugin_insn_vaddr(q);
	bool inside = options_inside(ip);
	enum shape shape = PLAIN;
	struct insn insn;
	uintptr_t ref;

	if (insn_decode(&insn, bytes, length, bits_of(ip, inside))) {
		watch_effect(q, &insn);
		if (insn_has_no_operand_in_memory(&insn) || is_never_device(&insn, bytes, ip, length))
			return;
		shape = shape_of(&insn);
	}
	ref = inside ? site_intern(ip, bytes, length) : ref_pack(ip, length);
	if (shape == REP) {
		run_expect(ip + length);
		if (!begins_block)
			ref |= REF_ENTERED;
		else if (!run_end_is_seen(ip + length))
			qemu_plugin_register_vcpu_insn_exec_cb(q, run_round, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)(ip + length));
	}
	/*
	 * For loads and stores at once, and told apart at the access: QEMU 7.2 calls a callback registered for reads at
	 * stores, and one registered for writes at both.
	 */
	qemu_plugin_register_vcpu_mem_cb(q, inside ? access_inside[shape] : access_outside[shape],
					 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)ref);
}

void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *q;
	uint64_t ip;

	(void)id;
	pthread_once(&first, ram_survey);
	for (i = 0; i < n; i++) {
		q = qemu_plugin_tb_get_insn(tb, i);
		if (i == 0) {
			ip = qemu_plugin_insn_vaddr(q);
			if (unlikely(run_is_expected(ip)))
				qemu_plugin_register_vcpu_insn_exec_cb(q, run_end, QEMU_PLUGIN_CB_NO_REGS,
								       (void *)(uintptr_t)ip);
		}
		instrument(q, i == 0);
	}
}
