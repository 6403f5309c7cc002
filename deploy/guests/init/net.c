/* The network card: frames of all sizes to QEMU's gateway and back, and the registers that ordinary traffic leaves alone. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/if_ether.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

/* QEMU's user network: the gateway answers ARP, ping and TFTP by itself, also when it may not reach the outside. */
#define SELF "10.0.2.15"
#define GATEWAY "10.0.2.2"
#define TFTP 69

#define TRIES 10
#define PATIENCE_MS 500

static struct ifreq request(void)
{
	struct ifreq ifr = { 0 };

	strcpy(ifr.ifr_name, ETHER);
	return ifr;
}

static struct sockaddr_in address(const char *ip, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &in.sin_addr);
	return in;
}

static int change_flags(int fd, int set, int clear)
{
	struct ifreq ifr = request();

	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		return -1;
	ifr.ifr_flags = (ifr.ifr_flags | set) & ~clear;
	return ioctl(fd, SIOCSIFFLAGS, &ifr);
}

static int set_address(int fd, unsigned long what, const char *ip)
{
	struct ifreq ifr = request();
	struct sockaddr_in in = address(ip, 0);

	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	return ioctl(fd, what, &ifr);
}

static int wait_for_link(int fd)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < 1000; i++) {
		struct ifreq ifr = request();

		if (ioctl(fd, SIOCGIFFLAGS, &ifr))
			return -1;
		if (ifr.ifr_flags & IFF_RUNNING)
			return 0;
		nanosleep(&pause, NULL);
	}
	errno = ETIMEDOUT;
	return -1;
}

int net_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int failed = fd < 0 || set_address(fd, SIOCSIFADDR, SELF) || set_address(fd, SIOCSIFNETMASK, "255.255.255.0") ||
		     change_flags(fd, IFF_UP, 0) || wait_for_link(fd);

	if (failed)
		fail(ETHER);
	else
		say(ETHER " up");
	if (fd >= 0)
		close(fd);
	return failed ? -1 : 0;
}

void net_down(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || change_flags(fd, 0, IFF_UP))
		fail(ETHER " down");
	else
		say(ETHER " down");
	if (fd >= 0)
		close(fd);
}

/* Sends until an answer comes that is_answer() takes. A lost frame is sent again, what does not belong here is skipped. */
static int ask(int fd, const void *question, size_t size, const void *to, socklen_t to_size,
	       int (*is_answer)(const unsigned char *data, ssize_t size, int number), int number)
{
	unsigned char answer[2048];

	for (int try = 0; try < TRIES; try++) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		if (sendto(fd, question, size, 0, to, to_size) < 0)
			return -1;
		while (poll(&wait, 1, PATIENCE_MS) > 0) {
			ssize_t got = recv(fd, answer, sizeof(answer), 0);

			if (got < 0)
				return -1;
			if (is_answer(answer, got, number))
				return 0;
		}
	}
	errno = ETIMEDOUT;
	return -1;
}

static int is_arp_reply(const unsigned char *data, ssize_t size, int number)
{
	const struct ether_arp *arp = (const void *)(data + ETH_HLEN);

	(void)number;
	return size >= (ssize_t)(ETH_HLEN + sizeof(*arp)) && ntohs(arp->ea_hdr.ar_op) == ARPOP_REPLY;
}

static int arp(int times)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = if_nametoindex(ETHER) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ARP));
	struct ifreq ifr = request();
	struct {
		struct ether_header ether;
		struct ether_arp arp;
	} __attribute__((packed)) frame = { 0 };
	int failed;

	if (fd < 0 || bind(fd, (void *)&to, sizeof(to)) || ioctl(fd, SIOCGIFHWADDR, &ifr))
		return -1;
	memset(frame.ether.ether_dhost, 0xff, ETH_ALEN);
	memcpy(frame.ether.ether_shost, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	frame.ether.ether_type = htons(ETH_P_ARP);
	frame.arp.ea_hdr.ar_hrd = htons(ARPHRD_ETHER);
	frame.arp.ea_hdr.ar_pro = htons(ETH_P_IP);
	frame.arp.ea_hdr.ar_hln = ETH_ALEN;
	frame.arp.ea_hdr.ar_pln = 4;
	frame.arp.ea_hdr.ar_op = htons(ARPOP_REQUEST);
	memcpy(frame.arp.arp_sha, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	inet_pton(AF_INET, SELF, frame.arp.arp_spa);
	inet_pton(AF_INET, GATEWAY, frame.arp.arp_tpa);
	failed = 0;
	for (int i = 0; i < times && !failed; i++)
		failed = ask(fd, &frame, sizeof(frame), &to, sizeof(to), is_arp_reply, i);
	close(fd);
	return failed;
}

static unsigned short internet_checksum(const unsigned char *data, size_t size)
{
	unsigned int sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += data[i] << 8 | data[i + 1];
	if (size & 1)
		sum += data[size - 1] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	return htons(~(sum + (sum >> 16)));
}

static int is_echo_reply(const unsigned char *data, ssize_t size, int number)
{
	size_t header = (data[0] & 15) * 4;
	const struct icmphdr *icmp = (const void *)(data + header);

	return size >= (ssize_t)(header + sizeof(*icmp)) && icmp->type == ICMP_ECHOREPLY && ntohs(icmp->un.echo.sequence) == number;
}

static int ping(int times)
{
	struct sockaddr_in to = address(GATEWAY, 0);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	int failed = fd < 0;

	for (int i = 0; i < times && !failed; i++) {
		unsigned char packet[1472] = { 0 };
		struct icmphdr *icmp = (void *)packet;
		/* 8 … 1472 bytes, odd ones too */
		size_t size = sizeof(*icmp) + i * 97 % (sizeof(packet) - sizeof(*icmp) + 1);

		icmp->type = ICMP_ECHO;
		icmp->un.echo.sequence = htons(i);
		memset(packet + sizeof(*icmp), 'a' + i % 26, size - sizeof(*icmp));
		icmp->checksum = internet_checksum(packet, size);
		failed = ask(fd, packet, size, &to, sizeof(to), is_echo_reply, i);
	}
	if (fd >= 0)
		close(fd);
	return failed;
}

/* The gateway's TFTP server has no files and says so: opcode 5. */
static int is_tftp_error(const unsigned char *data, ssize_t size, int number)
{
	(void)number;
	return size >= 4 && data[0] == 0 && data[1] == 5;
}

static int udp(int times)
{
	static const char ask_for_file[] = "\0\1reheat\0octet";
	struct sockaddr_in to = address(GATEWAY, TFTP);
	int failed = 0;

	for (int i = 0; i < times && !failed; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		failed = fd < 0 || ask(fd, ask_for_file, sizeof(ask_for_file), &to, sizeof(to), is_tftp_error, i);
		if (fd >= 0)
			close(fd);
	}
	return failed;
}

/* Receive filter, register dump and statistics: what an administrator's tools make the driver do. */
static int read_registers(int fd)
{
	static const unsigned int command[] = { ETHTOOL_GLINK, ETHTOOL_GREGS, ETHTOOL_GSTATS };
	union {
		struct ethtool_drvinfo info;
		struct ethtool_regs regs;
		unsigned char room[16384];
	} data;
	struct ifreq ifr = request();

	for (unsigned int i = 0; i < sizeof(command) / sizeof(command[0]); i++) {
		memset(&data, 0, sizeof(data));
		data.info.cmd = command[i];
		if (command[i] == ETHTOOL_GREGS)
			data.regs.len = sizeof(data) - sizeof(data.regs);
		ifr.ifr_data = (void *)&data;
		if (ioctl(fd, SIOCETHTOOL, &ifr))
			return -1;
	}
	return 0;
}

static int registers(int times)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int failed = fd < 0;

	for (int i = 0; i < times && !failed; i++)
		failed = change_flags(fd, IFF_PROMISC, 0) || change_flags(fd, IFF_ALLMULTI, IFF_PROMISC) ||
			 change_flags(fd, 0, IFF_ALLMULTI) || read_registers(fd);
	if (fd >= 0)
		close(fd);
	return failed;
}

/* Interrupts of the card go to one processor, then to the other: the I/O APIC's entry is written while they come. */
static int move_interrupts(int times)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	char line[256];
	char path[64] = "";
	FILE *table = fopen("/proc/interrupts", "re");
	int number;

	if (!table)
		return -1;
	while (fgets(line, sizeof(line), table))
		if (strstr(line, ETHER) && sscanf(line, " %d:", &number) == 1)
			snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", number);
	fclose(table);
	for (int i = 0; i <= times; i++)
		if (put(path, i % 2 && processors > 1 ? "2" : "1") || ping(4))
			return -1;
	return 0;
}

void work_net(int rounds)
{
	static const struct {
		const char *what;
		int (*work)(int times);
		int times;
	} step[] = {
		{ "arp", arp, 16 }, { "ping", ping, 64 }, { "udp", udp, 16 }, { "registers", registers, 1 }, { "interrupts moved", move_interrupts, 8 },
	};

	for (unsigned int i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		if (step[i].work(step[i].times * rounds))
			fail(step[i].what);
		else
			say(ETHER " %s", step[i].what);
	}
}
