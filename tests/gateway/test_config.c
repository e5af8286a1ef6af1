/* SPDX-License-Identifier: MIT */
/* The configuration of a gateway: what is understood, and that an error names its file, line and word. */
#include <errno.h>

#include "config.h"
#include "test.h"

#define LOCAL "local 192.0.2.1 port 4500\n"
#define GCM " aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128"
#define ESP_OUT "src 192.0.2.1 dst 198.51.100.2 proto esp mode tunnel" GCM
#define ESP_IN "src 198.51.100.2 dst 192.0.2.1 proto esp mode tunnel" GCM
#define SEL " sel src 10.1.0.0/16 dst 10.2.0.0/16\n"

static char error[ESP_ERROR_LEN];

static struct gw_config *parse(const char *text)
{
	struct gw_config *c;
	int code = gw_config_parse("/etc/a.conf", text, strlen(text), NULL, &c, error);

	if (code)
		printf("# %s\n", error);
	CHECK_EQ(code, 0);
	CHECK(c && !error[0]);
	return c;
}

static void whole(void)
{
	struct gw_config *c =
	    parse("# a comment\n"
		  "tun esp0\naddress 10.1.0.1/24\naddress fd00:1::1/64\n"
		  "route 10.2.0.0/16\nroute fd00:2::/32\nroute 0.0.0.0/0\nmtu 1400\n" LOCAL
		  "local 2001:db8::1 port 4501\nremote 198.51.100.2 port 4600\n"
		  "dscp 46\nkeepalive 5\nuser 'daemon'\ncpus 0-1\nbackend openssl\n"
		  "control /tmp/x.sock\nmetrics 127.0.0.1:9100\nmetrics file /tmp/x.prom\n" ESP_OUT
		  " spi 1 reqid 7" SEL ESP_IN " spi 2 reqid 7 sel dst 10.1.0.0/16\n"
		  "src 10.0.0.0/8 dst 10.3.0.0/16 dir out priority 9 tmpl reqid 8 proto esp mode tunnel\n"
		  "src 10.0.0.0/8 dst 10.4.0.0/16 dir out priority 2 action block\n"
		  "src fd00::/8 dst ::/0 proto udp dport 53 dir fwd tmpl src 2001:db8::2 "
		  "dst 2001:db8::1 proto esp reqid 8 mode tunnel\n");
	struct gw_endpoint remote;
	const char *why;
	enum gw_dir dir;

	CHECK(!strcmp(c->tun, "esp0") && !strcmp(c->user, "daemon") && !strcmp(c->control, "/tmp/x.sock"));
	CHECK_EQ(c->address_count, 2);
	CHECK(c->addresses[1].addr.family == 6 && c->addresses[1].len == 64);
	CHECK_EQ(c->route_count, 3);
	CHECK(c->mtu == 1400 && c->keepalive == 5 && c->dscp == 46 && c->backend == ESP_BACKEND_OPENSSL);
	CHECK(c->local_count == 2 && c->locals[1].addr.family == 6 && c->locals[1].port == 4501);
	CHECK(c->has_cpus && cpumask_weight(c->cpus) == 2);
	CHECK(c->metrics.port == 9100 && c->metrics.addr.b[0] == 127 &&
	      !strcmp(c->metrics_file, "/tmp/x.prom"));
	CHECK_EQ(c->sa_count, 2);
	CHECK_EQ(gw_config_place(c, c->sas[0], &dir, &remote, &why), 0);
	CHECK(dir == GW_OUT && remote.port == 4600 && remote.addr.b[0] == 198);
	CHECK(c->sas[0]->encap && c->sas[0]->sport == 4500 && c->sas[0]->dport == 4600);
	CHECK_EQ(gw_config_place(c, c->sas[1], &dir, &remote, &why), 0);
	CHECK_EQ(dir, GW_IN);
	CHECK_EQ(c->policy_count, 3); /* by priority: 0, 2, 9 */
	CHECK(c->policies[0].dir == GW_IN && c->policies[0].sel.dport == 53 &&
	      !c->policies[0].sel.any_port_dst);
	CHECK(c->policies[1].block && c->policies[1].priority == 2);
	CHECK(c->policies[2].reqid == 8 && c->policies[2].src.family == 0);
	gw_config_free(c);
}

/* The kernel makes no such route by itself, or a second beside it. */
static void beside_an_address(void)
{
	gw_config_free(parse(LOCAL "address 10.1.0.1/24\naddress 10.9.0.1/32\naddress 10.8.0.1/0\n"
				   "address fd00::1/64\nroute 10.1.0.0/25\nroute 10.1.0.0/16\n"
				   "route 10.2.0.0/24\nroute 10.9.0.1/32\nroute 0.0.0.0/0\n"
				   "route fd00::/64\nroute a01::/24\n"));
}

static void defaults(void)
{
	struct gw_config *c = parse(LOCAL);

	CHECK(!strcmp(c->tun, "padata0") && !strcmp(c->user, "nobody"));
	CHECK(!strcmp(c->control, "/run/padata-esp/padata0.sock"));
	CHECK(c->mtu == 0 && c->keepalive == 20 && c->dscp == GW_DSCP_COPY && !c->has_cpus &&
	      c->backend == ESP_BACKEND_AUTO);
	CHECK(!c->metrics.port && !c->metrics_file[0] && c->sa_count == 0 && c->policy_count == 0);
	gw_config_free(c);
}

/* What iproute2 6.1 prints, with and without -s. */
static void pasted(void)
{
	struct gw_config *c = parse(
	    LOCAL "src 192.0.2.1 dst 198.51.100.2\n"
		  "\tproto esp spi 0x00001001(4097) reqid 3(0x00000003) mode tunnel\n"
		  "\treplay-window 0 seq 0x00000000 flag af-unspec (0x00100000)\n"
		  "\taead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 (160 bits) 128\n"
		  "\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n"
		  "\tsel src 0.0.0.0/0 dst 0.0.0.0/0 uid 0\n"
		  "src 10.1.0.0/16 dst 10.2.0.0/16 uid 0\n"
		  "\tdir out action allow index 1 priority 375423 ptype main share any flag  (0x00000000)\n"
		  "\tlifetime config:\n"
		  "\t  limit: soft (INF)(bytes), hard (INF)(bytes)\n"
		  "\t  limit: soft (INF)(packets), hard (INF)(packets)\n"
		  "\t  expire add: soft 0(sec), hard 0(sec)\n"
		  "\t  expire use: soft 0(sec), hard 0(sec)\n"
		  "\tlifetime current:\n"
		  "\t  0(bytes), 0(packets)\n"
		  "\t  add 2026-11-26 00:50:45 use -\n"
		  "\ttmpl src 192.0.2.1 dst 198.51.100.2\n"
		  "\t\tproto esp spi 0x00000000(0) reqid 3(0x00000003) mode tunnel\n"
		  "\t\tlevel required share any \n"
		  "\t\tenc-mask ffffffff auth-mask ffffffff comp-mask ffffffff\n"
		  "src 10.2.0.0/16 dst 10.1.0.0/16 \n"
		  "\tdir fwd priority 375423 ptype main \n"
		  "\ttmpl src 198.51.100.2 dst 192.0.2.1\n"
		  "\t\tproto esp reqid 3 mode tunnel\n"
		  "src 0.0.0.0/0 dst 0.0.0.0/0 \n"
		  "\tsocket in priority 0 ptype main \n"
		  "src ::/0 dst ::/0 \n"
		  "\tsocket out priority 0 ptype main \n");

	CHECK_EQ(c->sa_count, 1);
	CHECK_EQ(c->policy_count, 2);
	CHECK(gw_policy_means(&c->policies[0], GW_OUT, c->sas[0]));
	CHECK(!gw_policy_means(&c->policies[1], GW_OUT, c->sas[0]));
	gw_config_free(c);
}

static const struct {
	const char *text;
	const char *says; /* "LINE: 'WORD'", and part of what to do */
	const char *too;
} bad[] = {
    {"", "1: 'local'", "is needed"},
    {LOCAL "mtu", "2: 'end of file'", "auto or 576"},
    {LOCAL "mtu 575", "2: '575'", "auto or 576"},
    {LOCAL "mtu 14o0", "2: '14o0'", "auto or 576"},
    {LOCAL "mtu\n1400", "3: '1400'", "auto or 576"},
    {LOCAL "mtu 1400\nmtu 1400", "3: 'mtu'", "already"},
    {LOCAL "tun toolongforaninterface", "2: 'toolongforaninterface'", "network device"},
    {LOCAL "tun a/b", "2: 'a/b'", "network device"},
    {LOCAL "tun ..", "2: '..'", "network device"},
    {LOCAL "tun ''", "2: ''", "network device"},
    {LOCAL "address 10.1.0.1/33", "2: '10.1.0.1/33'", "prefix length"},
    {LOCAL "address 10.1.0", "2: '10.1.0'", "address"},
    {LOCAL "route 10.2.0.1/16", "2: '10.2.0.1/16'", "behind the prefix"},
    {LOCAL "route fd00::1/64", "2: 'fd00::1/64'", "behind the prefix"},
    {"local 192.0.2.1", "1: 'end of file'", "port NUMBER"},
    {"local 192.0.2.1 port 0", "1: '0'", "1 to 65535"},
    {"local 192.0.2.1 port 65536", "1: '65536'", "1 to 65535"},
    {"local 0.0.0.0 port 1", "1: '0.0.0.0'", "name one address"},
    {"local :: port 1", "1: '::'", "name one address"},
    {LOCAL "local 192.0.2.2 port 1", "2: '192.0.2.2'", "already"},
    {LOCAL "remote host port 1", "2: 'host'", "IPv4 or IPv6"},
    {LOCAL "keepalive 3601", "2: '3601'", "seconds"},
    {LOCAL "dscp 64", "2: '64'", "copy or 0 to 63"},
    {LOCAL "dscp copy copy", "2: 'copy'", "not a line"},
    {LOCAL "user ro:ot", "2: 'ro:ot'", "name of a user"},
    {LOCAL "cpus 3-1", "2: '3-1'", "list of CPUs"},
    {LOCAL "cpus", "2: 'end of file'", "list of CPUs"},
    {LOCAL "backend magic", "2: 'magic'", "openssl"},
    {LOCAL "control here", "2: 'here'", "begins with '/'"},
    {LOCAL "metrics 192.0.2.1:9100", "2: '192.0.2.1:9100'", "loopback"},
    {LOCAL "metrics 127.0.0.1", "2: '127.0.0.1'", "loopback"},
    {LOCAL "metrics [::1:9", "2: '[::1:9'", "loopback"},
    {LOCAL "metrics ::1]:9", "2: '::1]:9'", "loopback"},
    {LOCAL "metrics :", "2: ':'", "loopback"},
    {LOCAL "metrics file x", "2: 'x'", "begins with '/'"},
    {LOCAL "address 10.1.0.1/24\naddress 10.1.0.1/25\naddress 10.1.0.1/24", "4: '10.1.0.1/24'", "already"},
    {LOCAL "route 10.0.0.0/8\nroute fd00::/8\nroute 10.0.0.0/9 route fd00::/8", "4: 'fd00::/8'", "already"},
    {LOCAL "address 10.1.0.1/24\nroute 10.1.0.0/24", "3: '10.1.0.0/24'", "needs no 'route'"},
    {LOCAL "route 10.1.0.2/31\nroute 10.0.0.0/8 address 10.1.0.3/31", "3: '10.1.0.3/31'", "needs no 'route'"},
    {LOCAL "include other", "2: 'other'", "included"},
    {LOCAL "include /etc/x", "2: '/etc/x'", "without '/'"},
    {LOCAL "include .x", "2: '.x'", "without '/'"},
    {LOCAL "include", "2: 'end of file'", "directory"},
    {LOCAL "\nlisten 3", "3: 'listen'", "not a line"},
    {LOCAL "user 'x", "2: '''", "quote"},
    {LOCAL ESP_OUT " spi 1\n  proot esp", "3: 'proot'", "ip xfrm state"},
    {LOCAL ESP_OUT " spi 1\nroot esp", "3: 'root'", "not a line"},
    {LOCAL ESP_OUT " spi 1\n", "2: 'src'", "nothing says"},
    {LOCAL ESP_OUT SEL, "2: 'src'", "spi"},
    {LOCAL ESP_OUT " spi 1" SEL ESP_OUT " spi 1 reqid 2" SEL, "3: 'src'", "SPI and destination"},
    {LOCAL ESP_OUT " spi 1" SEL ESP_OUT " spi 2 sel dst 10.9.0.0/16", "3: 'src'", "reqid of its own"},
    {"\n\n" ESP_OUT " spi 1" SEL "local 203.0.113.9 port 1", "3: 'src'", "neither end"},
    {LOCAL "src 192.0.2.1 dst 192.0.2.1 proto esp mode tunnel spi 4" GCM SEL, "2: 'src'", "both ends"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir sideways", "2: 'sideways'", "out, in or fwd"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8\n", "2: 'src'", "lacks 'dir"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out\n", "2: 'src'", "unencrypted"},
    {LOCAL "src 10.0.0.0/8 dst ::/0 dir out action block\n", "2: 'src'", "families"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out\n tmpl level use", "3: 'use'", "unencrypted"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out\n tmpl mode transport", "3: 'transport'", "tunnel"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out\n tmpl proto ah", "3: 'ah'", "only esp"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out tmpl reqid 1\n tmpl reqid 2", "3: 'reqid'", "one template"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out tmpl src 1.1.1.1 dst ::1\n", "2: 'src'", "families"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out tmpl reqid 1\n limit: soft 5(bytes), hard 6(bytes)",
     "2: 'limit'", "lifetime"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out ptype sub", "2: 'sub'", "main"},
    {LOCAL "src 10.0.0.0/8 dst 10.0.0.0/8 dir out colour red", "2: 'colour'", "ip xfrm policy"},
    {LOCAL "src 10.0.0.0/8 dev eth0", "2: 'dev'", "device"},
};

static void errors(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char want[128];
		struct gw_config *c;
		int code = gw_config_parse("/etc/a.conf", bad[i].text, strlen(bad[i].text), NULL, &c, error);

		snprintf(want, sizeof(want), "/etc/a.conf:%s: ", bad[i].says);
		if (code != -EINVAL || c || strncmp(error, want, strlen(want)) != 0 ||
		    !strstr(error, bad[i].too)) {
			printf("# %s\n# gives %d: %s\n# not %s... %s\n", bad[i].text, code, error, want,
			       bad[i].too);
			CHECK(!"the error is another");
		}
		CHECK(!strchr(error, '\n'));
	}
}

static void keys_are_not_shown(void)
{
	struct gw_config *c;
	const char *text = LOCAL "src 192.0.2.1 dst 198.51.100.2 proto esp mode tunnel spi 1 "
				 "aead 'rfc4106(gcm(aes))' 0x5ec2e75ec2e7 128";

	CHECK_EQ(gw_config_parse("a", text, strlen(text), NULL, &c, error), -EINVAL);
	CHECK(!strstr(error, "5ec2e7"));
}

static int include(void *arg, const char *name, char **text, size_t *len, char err[ESP_ERROR_LEN])
{
	const char *const *files = arg;

	for (; *files; files += 2) {
		if (!strcmp(files[0], name)) {
			*text = strdup(files[1]);
			*len = strlen(files[1]);
			return 0;
		}
	}
	snprintf(err, ESP_ERROR_LEN, "/etc/%s: No such file", name);
	return -ENOENT;
}

static void includes(void)
{
	static const char *files[] = {"b",     ESP_OUT " spi 1" SEL "remote 198.51.100.2 port 9\n",
				      "bad",   "\n\nmtu 1400\n",
				      "worse", "\n" ESP_OUT " spi 1\n",
				      "open",  "src 10.0.0.0/8 dst 'x",
				      NULL};
	static const struct {
		const char *text, *says;
		int code;
	} t[] = {
	    {LOCAL "include b\n" ESP_IN " spi 2" SEL, NULL, 0},
	    {LOCAL "include b\ninclude b", "/etc/b:1: 'src': another SA", -EINVAL},
	    {LOCAL "include bad", "/etc/bad:3: 'mtu': an included file", -EINVAL},
	    {LOCAL "include worse", "/etc/worse:2: 'src': nothing says", -EINVAL},
	    {LOCAL "include open", "/etc/open:1: '''", -EINVAL},
	    {LOCAL "include none\nmtu 1", "/etc/a.conf:2: 'none': /etc/none: No such file", -ENOENT},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct gw_includes how = {include, files};
		struct gw_config *c;
		int code = gw_config_parse("/etc/a.conf", t[i].text, strlen(t[i].text), &how, &c, error);

		printf("# %s\n", error);
		CHECK_EQ(code, t[i].code);
		CHECK(code ? strstr(error, t[i].says) == error : c->sa_count == 2 && c->remote_count == 1);
		gw_config_free(c);
	}
}

/* Whatever is cut off or changed, the answer is a configuration or an error. */
static void damaged(void)
{
	static const char good[] = LOCAL
	    "tun a\nmtu auto\ncpus 0\nmetrics [::1]:9\nroute 10.0.0.0/8\ninclude b\n" ESP_OUT " spi 1" SEL
	    "src 10.0.0.0/8 dst 10.0.0.0/8 dir out tmpl src 1.1.1.1 dst 2.2.2.2 reqid 3 level required\n";
	static const char *files[] = {"b", ESP_IN " spi 2" SEL, NULL};
	static const char with[] = {0, '\n', '\'', '/', ':', '-', '9', (char)0xff};
	struct gw_includes how = {include, files};

	for (size_t i = 0; i < sizeof(good); i++) {
		for (size_t k = 0; k <= sizeof(with); k++) {
			/* Of its own size, so that a sanitizer sees a read beyond it. */
			size_t len = k < sizeof(with) ? sizeof(good) - 1 : i;
			char *text = malloc(len ? len : 1);
			struct gw_config *c;
			int code;

			memcpy(text, good, len);
			if (k < sizeof(with) && i < len)
				text[i] = with[k];
			code = gw_config_parse("a", text, len, &how, &c, error);
			CHECK(code ? !c && error[0] : c && !error[0]);
			gw_config_free(c);
			free(text);
		}
	}
}

static const struct test_case cases[] = {
    {"configuration: all lines", whole},
    {"configuration: what holds without a line", defaults},
    {"configuration: routes beside an address", beside_an_address},
    {"configuration: pasted from ip xfrm", pasted},
    {"configuration: each error names file, line and word", errors},
    {"configuration: no error shows a key", keys_are_not_shown},
    {"configuration: included files", includes},
    {"configuration: damaged anywhere", damaged},
};

TEST_MAIN(cases)
