/* SPDX-License-Identifier: MIT */
#ifndef PADATA_H
#define PADATA_H

/* The umbrella: everything that the library offers. */
#include <linux/cpumask.h>
#include <linux/workqueue.h>
#include <linux/padata.h>

#endif
