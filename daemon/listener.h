/* A socket that listens, on the loop: hands over who connects, and rests while there is no descriptor for another one. */
#pragma once

struct loop;
struct listener;

/* Watches fd, which is the listener's from here on. fn owns the descriptor it is called with, which does not block. */
struct listener *listener_new(struct loop *l, int fd, void (*fn)(int fd, void *arg), void *arg);
struct listener *listener_free(struct listener *l);
