/* SPDX-License-Identifier: MIT */
/* padata-esp: IPsec ESP on every CPU, in order: captures, and a live gateway. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "esp_output.h"
#include "esp_progress.h"
#include "esp_tool.h"

static const char usage[] =
	"padata-esp takes packets through IPsec ESP on every CPU, in order: captures, or a live tunnel.\n"
	"\n"
	"  padata-esp encrypt --sa FILE [options] IN OUT   every IP packet of IN, encrypted\n"
	"  padata-esp decrypt --sa FILE [options] IN OUT   every ESP packet of IN, verified and decrypted\n"
	"  padata-esp genkey [--algo NAME] [--esn] [--encap] [--src ADDRESS] [--dst ADDRESS]\n"
	"                    [--reqid N] [--sel PREFIX,PREFIX]\n"
	"                                                  a new pair of SAs, for --sa\n"
	"  padata-esp bench --sa FILE [options] IN         one CPU against all CPUs, in memory\n"
	"  padata-esp compare IN OUT                       whether all IP frames are the same and in order\n"
	"  padata-esp gateway --config FILE [--check]      a live tunnel: TUN device to ESP in UDP and back\n"
	"  padata-esp ctl [--socket PATH] [--json] COMMAND asks a running gateway, or changes it:\n"
	"                                                  sa add FILE, sa del spi N, sa list, stats,\n"
	"                                                  cpus [LIST], events, reload\n"
	"  padata-esp top [--socket PATH] [--interval SECONDS] [--count N]\n"
	"                                                  a running gateway, looked at again and again\n"
	"\n"
	"IN is a pcap or pcapng file, OUT a pcap file; - is standard input or output.\n"
	"FILE holds SAs in the words of 'ip xfrm state' and must be readable by its owner only.\n"
	"\n"
	"  -j N                   use N CPUs (all that the process may use)\n"
	"  --cpus LIST            use these CPUs: 0-3,8\n"
	"  --backend NAME         ipsec-mb, openssl or auto\n"
	"  --stats text|json      say what happened to the packets\n"
	"  --timeline FILE.svg    draw what each CPU did, and when\n"
	"  --oseq N               encrypt: the first packet gets number N + 1, whatever FILE.oseq says\n"
	"  --seconds N, --rounds N   bench: how long a run takes, and how often each is done\n"
	"  --algo NAME            genkey: aes128-gcm (default), aes256-gcm, chacha20-poly1305,\n"
	"                         aes128-cbc-sha256, aes256-cbc-sha256, null-sha256\n"
	"  --reqid N              genkey: what a gateway's policies name the pair by (1)\n"
	"  --sel PREFIX,PREFIX    genkey: what the pair carries, from behind --src to behind --dst\n"
	"\n"
	"Exit status: 0 done; 1 done, but some packets could not be processed (the line on standard error\n"
	"says which); 2 wrong usage; 3 SA file; 4 input capture (what came before the damage is written);\n"
	"5 output; 6 no memory, threads or crypto backend; 128 + N ended by signal N (Ctrl-C: 130).\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "encrypt", esp_cmd_encrypt },
	{ "decrypt", esp_cmd_decrypt },
	{ "genkey", esp_cmd_genkey },
	{ "bench", esp_cmd_bench },
	{ "compare", esp_cmd_compare },
	{ "gateway", esp_cmd_gateway },
	{ "ctl", esp_cmd_ctl },
	{ "top", esp_cmd_top },
};

static void say(const char *format, va_list args)
{
	esp_progress_clear();
	flockfile(stderr);
	fputs("padata-esp: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void esp_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void esp_fail(enum esp_exit status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	esp_output_discard();
	fflush(stdout);
	_exit(status); /* workers may be running: nothing is taken down under them */
}

void *esp_memory(void *p)
{
	if (!p)
		esp_fail(ESP_EXIT_SYSTEM, "out of memory");
	return p;
}

static bool asks_for_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int print(const char *text)
{
	fputs(text, stdout);
	return fflush(stdout) ? ESP_EXIT_OUTPUT : ESP_EXIT_OK;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (asks_for_help(name) || !strcmp(name, "help") || (argc == 3 && asks_for_help(argv[2])))
		return print(usage);
	if (!strcmp(name, "--version"))
		return print("padata-esp " PADATA_VERSION "\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	if (argc < 2)
		fputs(usage, stderr);
	else
		esp_say("there is no command '%s': encrypt, decrypt, genkey, bench, compare, gateway, ctl or "
			"top; --help explains",
			name);
	return ESP_EXIT_USAGE;
}
