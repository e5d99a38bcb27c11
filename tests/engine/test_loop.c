/* How late a loop is: what is due and was not called, and what was called late. */
#include <unistd.h>

#include "../../daemon/loop.h"
#include "../unit/t.h"

static unsigned called;

static void on_timer(void *arg)
{
	called++;
	(void)usleep(3000);
	loop_stop(arg);
}

int main(void)
{
	struct loop *l = loop_new();
	struct loop_timer *due = loop_timer_new(l, on_timer, l), *later = loop_timer_new(l, on_timer, l);

	T_EQ_INT(loop_overdue_ms(l), 0);
	T_EQ_INT(loop_lag_ms(l), 0);
	T_EQ_INT(loop_longest_us(l), 0);
	loop_timer_arm(later, 3600000);
	T_EQ_INT(loop_overdue_ms(l), 0);
	loop_timer_arm(due, 0);
	(void)usleep(60000);
	T_OK(loop_overdue_ms(l) >= 50);
	T_EQ_INT(loop_lag_ms(l), 0);
	T_EQ_INT(loop_run(l), 0);
	T_EQ_INT(called, 1);
	T_EQ_INT(loop_overdue_ms(l), 0);
	T_OK(loop_lag_ms(l) >= 50);
	T_OK_MSG(loop_longest_us(l) >= 3000, "the callback itself, not how late it was");

	/* what is given up is not overdue */
	loop_timer_arm(due, 0);
	(void)usleep(60000);
	loop_timer_cancel(due);
	T_EQ_INT(loop_overdue_ms(l), 0);
	loop_timer_arm(due, 0);
	(void)usleep(60000);
	loop_timer_free(due);
	T_EQ_INT(loop_overdue_ms(l), 0);
	loop_timer_free(later);
	loop_free(l);
	return t_done();
}
