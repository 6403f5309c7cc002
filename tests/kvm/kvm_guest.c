/*
 * A KVM guest of a page: loads the flat binary of guest.S, runs it in real mode and in flat 32-bit mode until it says that it is done, and answers its
 * device accesses with zeros. For recording what KVM's tracepoints tell of accesses whose number is known.
 *
 *	kvm_guest GUEST.bin BASE REAL FLAT	(addresses in hexadecimal)
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_BYTES	0x1000
#define DONE_PORT	0xf4
#define NOTIFY_ADDRESS	0xd0002000ull

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int control(int fd, unsigned long request, void *argument, const char *what)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		fail(what);
	return result;
}

static void flat_segment(struct kvm_segment *segment, int is_code)
{
	memset(segment, 0, sizeof(*segment));
	segment->limit = 0xffffffff;
	segment->selector = is_code ? 8 : 16;
	segment->type = is_code ? 11 : 3;
	segment->present = 1;
	segment->s = 1;
	segment->db = 1;
	segment->g = 1;
}

static void real_segment(struct kvm_segment *segment, int is_code)
{
	memset(segment, 0, sizeof(*segment));
	segment->limit = 0xffff;
	segment->type = is_code ? 11 : 3;
	segment->present = 1;
	segment->s = 1;
}

static void start_at(int vcpu, uint64_t ip, int flat)
{
	void (*set)(struct kvm_segment *, int) = flat ? flat_segment : real_segment;
	struct kvm_regs registers = { .rip = ip, .rflags = 2 };
	struct kvm_sregs special;

	control(vcpu, KVM_GET_SREGS, &special, "KVM_GET_SREGS");
	set(&special.cs, 1);
	set(&special.ds, 0);
	set(&special.es, 0);
	set(&special.ss, 0);
	special.cr0 = flat ? special.cr0 | 1 : special.cr0 & ~1ull;
	control(vcpu, KVM_SET_SREGS, &special, "KVM_SET_SREGS");
	control(vcpu, KVM_SET_REGS, &registers, "KVM_SET_REGS");
}

static void run(int vcpu, struct kvm_run *state)
{
	for (;;) {
		control(vcpu, KVM_RUN, NULL, "KVM_RUN");
		switch (state->exit_reason) {
		case KVM_EXIT_MMIO:
			if (!state->mmio.is_write)
				memset(state->mmio.data, 0, sizeof(state->mmio.data));
			break;
		case KVM_EXIT_IO:
			if (state->io.port == DONE_PORT)
				return;
			break;
		default:
			fprintf(stderr, "kvm_guest: exit reason %u\n", state->exit_reason);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_BYTES };
	struct kvm_ioeventfd notify = { .addr = NOTIFY_ADDRESS };
	int kvm, vm, vcpu, binary;
	struct kvm_run *state;
	void *memory;

	if (argc != 5) {
		fprintf(stderr, "usage: %s GUEST.bin BASE REAL FLAT\n", argv[0]);
		return 2;
	}
	kvm = open("/dev/kvm", O_RDWR);
	if (kvm < 0)
		fail("/dev/kvm");
	binary = open(argv[1], O_RDONLY);
	if (binary < 0)
		fail(argv[1]);
	vm = control(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	control(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	if (read(binary, memory, MEMORY_BYTES) <= 0)
		fail(argv[1]);
	region.guest_phys_addr = strtoull(argv[2], NULL, 16);
	region.userspace_addr = (uintptr_t)memory;
	control(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	notify.fd = eventfd(0, 0);
	control(vm, KVM_IOEVENTFD, &notify, "KVM_IOEVENTFD");
	vcpu = control(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	state = mmap(NULL, (size_t)control(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE"), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED)
		fail("mmap");
	start_at(vcpu, strtoull(argv[3], NULL, 16), 0);
	run(vcpu, state);
	start_at(vcpu, strtoull(argv[4], NULL, 16), 1);
	run(vcpu, state);
	return 0;
}
