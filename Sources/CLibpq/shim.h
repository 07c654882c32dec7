#pragma once
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>
// Not part of Swift's Glibc module.
#include <sys/eventfd.h>
