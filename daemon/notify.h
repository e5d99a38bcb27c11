/* sd_notify, and nothing else; every call is a no-op without a service manager. */
#pragma once

#include <stdint.h>

#include "../lib/util.h"

void notify_ready(void);
void notify_stopping(void);
/* Before the configuration is read again; notify_ready() ends it. */
void notify_reloading(void);
/* One sentence for `systemctl status`. */
void notify_status(const char *fmt, ...) _printf_(1, 2);
void notify_watchdog(void);
/* Half the watchdog's interval in milliseconds, or 0 when there is none. */
int64_t notify_watchdog_interval_ms(void);
