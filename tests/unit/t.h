/* Test macros that print TAP. No fork, so that sanitizers, valgrind and gdb work as they are. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int t_count, t_failed;

static inline void t_result(bool ok, const char *file, int line, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++t_count, what);
	if (!ok) {
		printf("# %s:%d\n", file, line);
		t_failed++;
	}
}

static inline void t_eq_str(const char *got, const char *want, const char *file, int line, const char *what)
{
	bool ok = got != NULL && want != NULL ? strcmp(got, want) == 0 : got == want;

	t_result(ok, file, line, what);
	if (!ok)
		printf("#  got: %s\n# want: %s\n", got != NULL ? got : "(null)", want != NULL ? want : "(null)");
}

static inline void t_eq_int(long long got, long long want, const char *file, int line, const char *what)
{
	t_result(got == want, file, line, what);
	if (got != want)
		printf("#  got: %lld\n# want: %lld\n", got, want);
}

#define T_OK(cond) t_result((cond), __FILE__, __LINE__, #cond)
#define T_OK_MSG(cond, what) t_result((cond), __FILE__, __LINE__, (what))
#define T_NULL(p) t_result((p) == NULL, __FILE__, __LINE__, #p " is NULL")
#define T_EQ_INT(got, want) t_eq_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got " = " #want)
#define T_EQ_INT_MSG(got, want, what) t_eq_int((long long)(got), (long long)(want), __FILE__, __LINE__, (what))
#define T_EQ_STR(got, want) t_eq_str((got), (want), __FILE__, __LINE__, #got " = " #want)

static inline int t_done(void)
{
	printf("1..%d\n", t_count);
	return t_failed > 0 || t_count == 0 ? 1 : 0;
}
