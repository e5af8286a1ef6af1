/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <stdlib.h>

#include "address.h"
#include "udp_io.h"

struct gw_peer *gw_peer_new(const struct gw_endpoint *name, struct gw_line *line)
{
	struct gw_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = *name;
	p->line = line;
	atomic_init(&p->mtu, GW_MTU_UNKNOWN);
	/* Long ago: a keepalive is due at once. It opens the way, through a NAT and past the resolution of
	 * the next hop's address, during which little more than a burst is kept. */
	atomic_init(&p->sent_at, 0);
	pthread_mutex_init(&p->lock, NULL);
	gw_peer_move(p, name);
	return p;
}

void gw_peer_free(struct gw_peer *p)
{
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool gw_peer_move(struct gw_peer *p, const struct gw_endpoint *at)
{
	bool moved;

	pthread_mutex_lock(&p->lock);
	moved = !gw_endpoint_same(&p->at, at);
	if (moved) {
		p->at = *at;
		p->address_len = gw_endpoint_to_sockaddr(at, &p->address);
	}
	pthread_mutex_unlock(&p->lock);
	if (moved)
		gw_peer_learn_mtu(p);
	return moved;
}

struct gw_endpoint gw_peer_at(struct gw_peer *p)
{
	struct gw_endpoint at;

	pthread_mutex_lock(&p->lock);
	at = p->at;
	pthread_mutex_unlock(&p->lock);
	return at;
}

socklen_t gw_peer_address(struct gw_peer *p, struct sockaddr_storage *to)
{
	socklen_t len;

	pthread_mutex_lock(&p->lock);
	*to = p->address;
	len = p->address_len;
	pthread_mutex_unlock(&p->lock);
	return len;
}

bool gw_peer_learn_mtu(struct gw_peer *p)
{
	struct gw_endpoint at = gw_peer_at(p);
	uint32_t least = at.addr.family == 4 ? GW_MTU_MIN4 : GW_MTU_MIN6, mtu = gw_path_mtu(&at);

	if (mtu == 0)
		mtu = GW_MTU_UNKNOWN;
	if (mtu < least)
		mtu = least;
	if (mtu > 65535)
		mtu = 65535;
	return atomic_exchange_explicit(&p->mtu, mtu, memory_order_relaxed) != mtu;
}
