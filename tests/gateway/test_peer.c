/* SPDX-License-Identifier: MIT */
/* Where packets for a peer go: after it when it moves, once it has proved to be there, and by nothing less.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "address.h"
#include "esp_packet.h"
#include "packets.h"
#include "peer.h"
#include "plane.h"

#define HERE "127.0.0.1"
#define THERE "127.0.0.2"
#define SPI 0x1001u
#define LEN 60u

static struct gw_plane *plane;
static struct gw_config *config;
static struct gw_tun tun;
static int device; /* the other end of what the plane takes for a TUN device */
static struct gw_udp udp;
static int home, elsewhere; /* the peer's socket, and another one */
static struct esp_sadb *sender;
static struct esp_crypto *crypto;
static uint64_t last; /* sequence number that the peer has used */

static int open_udp(const char *address, struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET};
	CHECK_EQ(inet_pton(AF_INET, address, &at->sin_addr), 1);
	CHECK_EQ(bind(fd, (struct sockaddr *)at, len), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static struct gw_endpoint endpoint_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return gw_endpoint_of_sockaddr(&at);
}

static int sa_text(char *to, size_t room, const char *src, int sport, const char *dst, int dport,
		   unsigned int spi)
{
	return snprintf(to, room,
			"src %s dst %s\n\tproto esp spi 0x%x reqid 1 mode tunnel\n\treplay-window 64\n"
			"\taead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0fcafebabe 128\n"
			"\tencap type espinudp sport %d dport %d addr 0.0.0.0\n",
			src, dst, spi, sport, dport);
}

static void add_sas(void)
{
	char err[ESP_ERROR_LEN];
	struct gw_endpoint remote;
	enum gw_dir dir;
	const char *why;

	for (size_t i = 0; i < config->sa_count; i++) {
		CHECK_EQ(gw_config_place(config, config->sas[i], &dir, &remote, &why), 0);
		CHECK_EQ(gw_plane_sa_add(plane, dir, config->sas[i], &remote, err), 0);
		config->sas[i] = NULL;
	}
}

static void start(void)
{
	struct sockaddr_in here, there, other;
	char text[2000], sas[2][500], err[ESP_ERROR_LEN];
	int ends[2], n;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	device = ends[1];
	tun.fd = ends[0];
	CHECK_EQ(fcntl(tun.fd, F_SETFL, O_NONBLOCK), 0);
	udp.count = 1;
	udp.sockets[0].fd = open_udp(HERE, &here);
	udp.sockets[0].local = endpoint_of(udp.sockets[0].fd);
	home = open_udp(THERE, &there);
	elsewhere = open_udp(THERE, &other);
	n = sa_text(sas[0], sizeof(sas[0]), THERE, ntohs(there.sin_port), HERE, ntohs(here.sin_port), SPI);
	CHECK_EQ(esp_sadb_parse("sender", sas[0], (size_t)n, &sender, err), 0);
	sa_text(sas[1], sizeof(sas[1]), HERE, ntohs(here.sin_port), THERE, ntohs(there.sin_port), SPI + 1);
	n = snprintf(text, sizeof(text), "local " HERE " port %d\n%s%s%s%s", ntohs(here.sin_port), sas[0],
		     sas[1], "src 10.1.0.0/16 dst 10.2.0.0/16 dir out tmpl reqid 1\n",
		     "src 10.2.0.0/16 dst 10.1.0.0/16 dir in tmpl reqid 1\n");
	CHECK_EQ(gw_config_parse("test", text, (size_t)n, NULL, &config, err), 0);
	plane = gw_plane_start(config, &tun, &udp, err);
	CHECK(plane != NULL);
	add_sas();
	CHECK_EQ(gw_plane_open(plane, err), 0);
	crypto = esp_crypto_alloc(ESP_BACKEND_AUTO);
	CHECK(crypto != NULL);
}

static void end(void)
{
	gw_plane_free(plane);
	gw_config_free(config);
	esp_sadb_free(sender);
	esp_crypto_free(crypto);
	close(tun.fd);
	close(device);
	close(udp.sockets[0].fd);
	close(home);
	close(elsewhere);
}

static void make_inner(uint8_t *p, int from, int to)
{
	memset(p, 0, LEN);
	memcpy(p, (uint8_t[]){0x45, 0, 0,  LEN,		  0, 0, 0x40, 0,	   64, 59,
			      0,    0, 10, (uint8_t)from, 0, 1, 10,   (uint8_t)to, 0,  1},
	       20);
	p16(p + 10, ~slow_sum(0, p, 20) & 0xffff);
}

/* What the peer sends under this number; its bytes. */
static uint32_t seal(uint64_t seq, uint8_t out[ESP_SEAL_ROOM(LEN)])
{
	uint8_t inner[LEN];
	struct esp_pkt p = {
	    .in = inner, .in_len = LEN, .next = 4, .out = out, .out_room = ESP_SEAL_ROOM(LEN)};
	struct esp_stats stats = {0};

	make_inner(inner, 2, 1);
	CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(sender, 0), seq - 1), 0);
	esp_seal_submit_sa(esp_sadb_at(sender, 0), &p, 1);
	esp_seal_burst(crypto, &p, 1);
	esp_seal_done(&stats, &p, 1);
	CHECK_EQ(p.drop, ESP_OK);
	memmove(out, p.data, p.len);
	return p.len;
}

static void send_from(int fd, const uint8_t *bytes, uint32_t len)
{
	struct sockaddr_storage to;
	socklen_t size = gw_endpoint_to_sockaddr(&udp.sockets[0].local, &to);

	CHECK_EQ(sendto(fd, bytes, len, 0, (struct sockaddr *)&to, size), len);
}

/* It has come out at the device, so all that the plane received before it has been judged. */
static void passes(int fd, uint64_t seq)
{
	uint8_t out[ESP_SEAL_ROOM(LEN)], inner[2 * LEN];

	send_from(fd, out, seal(seq, out));
	CHECK_EQ(read(device, inner, sizeof(inner)), LEN);
}

static uint64_t moves(void)
{
	static struct gw_plane_stats stats;

	gw_plane_stats(plane, &stats);
	return stats.peer_moves;
}

/* Packets for the peer go there, and the SAs say so. */
static void goes_to(int fd)
{
	struct gw_endpoint at = endpoint_of(fd);
	struct gw_sa_info *sas;
	uint8_t bytes[200];
	size_t count;

	make_inner(bytes, 1, 2);
	CHECK_EQ(write(device, bytes, LEN), LEN);
	CHECK(recv(fd, bytes, sizeof(bytes), 0) > (ssize_t)LEN);
	CHECK_EQ(g32(bytes), SPI + 1);
	sas = gw_plane_sas(plane, &count);
	CHECK_EQ(count, 2);
	for (size_t i = 0; i < count; i++)
		CHECK(gw_endpoint_same(&sas[i].peer, &at));
	free(sas);
}

/* What was sent from elsewhere has moved nothing: looked at before another packet from home could move it
 * back. */
static void stays(uint64_t before)
{
	passes(home, ++last);
	CHECK_EQ(moves(), before);
	goes_to(home);
}

static void at_home(void)
{
	passes(home, last = 100);
	goes_to(home);
	CHECK_EQ(moves(), 0);
}

static void follows_what_is_authentic(void)
{
	struct gw_event event;
	struct gw_endpoint at = endpoint_of(elsewhere);

	passes(elsewhere, ++last);
	goes_to(elsewhere);
	CHECK_EQ(moves(), 1);
	CHECK(gw_plane_event(plane, &event));
	CHECK_EQ(event.kind, GW_EVENT_PEER_MOVED);
	CHECK_EQ(event.spi, SPI);
	CHECK(gw_endpoint_same(&event.peer, &at));
	passes(elsewhere, ++last);
	CHECK_EQ(moves(), 1);
	passes(home, ++last);
	goes_to(home);
	CHECK_EQ(moves(), 2);
}

static void not_what_is_forged(void)
{
	uint8_t out[ESP_SEAL_ROOM(LEN)];
	uint32_t len = seal(last + 10, out);
	uint64_t before = moves();

	for (uint32_t i = 0; i < len; i += 7) {
		out[i] ^= 1; /* the SPI, the number, the text, the ICV */
		send_from(elsewhere, out, len);
		out[i] ^= 1;
	}
	send_from(elsewhere, (const uint8_t[]){0xff}, 1);
	stays(before);
}

static void not_what_is_replayed(void)
{
	uint8_t out[ESP_SEAL_ROOM(LEN)];
	uint64_t before = moves();

	send_from(elsewhere, out, seal(last, out));
	stays(before);
}

/* Authentic and new, but sent before another one: from where the peer was. */
static void not_what_is_late(void)
{
	uint64_t before = moves();

	last += 10;
	passes(home, last);
	passes(elsewhere, last - 5);
	stays(before);
}

static void the_same_place_is_no_move(void)
{
	struct gw_endpoint one = endpoint_of(home), other = endpoint_of(elsewhere), at;
	struct sockaddr_storage to;
	struct gw_peer *p = gw_peer_new(&one, NULL);

	CHECK(p != NULL);
	CHECK(!gw_peer_move(p, &one));
	CHECK(gw_peer_move(p, &other));
	CHECK(!gw_peer_move(p, &other));
	at = gw_peer_at(p);
	CHECK(gw_endpoint_same(&at, &other));
	CHECK_EQ(gw_peer_address(p, &to), sizeof(struct sockaddr_in));
	at = gw_endpoint_of_sockaddr(&to);
	CHECK(gw_endpoint_same(&at, &other));
	CHECK(gw_endpoint_same(&p->name, &one)); /* the SAs' descriptions go on meaning it */
	gw_peer_free(p);
}

static const struct test_case cases[] = {
    {"(start)", start},
    {"packets go to the address of the SA", at_home},
    {"an authentic packet from elsewhere moves the peer", follows_what_is_authentic},
    {"a forged one does not", not_what_is_forged},
    {"a replayed one does not", not_what_is_replayed},
    {"a late one does not", not_what_is_late},
    {"the same place is no move", the_same_place_is_no_move},
    {"(end)", end},
};
TEST_MAIN(cases)
