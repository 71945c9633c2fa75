/* WT_KERNELS lowers the level, never raises it, and a wrong name changes nothing. */
#include "support/testing.h"

#include <string.h>
#include <sys/wait.h>

#include "base/cpu.h"

/* The level is decided once per process, so each question is asked in a child before the parent asks any. */
static wt_cpu_level chosen_with(const char *wish) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (wish)
            setenv("WT_KERNELS", wish, 1);
        else
            unsetenv("WT_KERNELS");
        _exit((int)wt_cpu_chosen());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (wt_cpu_level)WEXITSTATUS(status);
}

static void test_environment(void **state) {
    (void)state;
    wt_cpu_level free_choice = chosen_with(NULL), empty = chosen_with(""), wrong = chosen_with("sse9");
    wt_cpu_level lowered[WT_CPU_LEVELS];
    for (int level = 0; level < WT_CPU_LEVELS; level++)
        lowered[level] = chosen_with(wt_cpu_level_name((wt_cpu_level)level));
    wt_cpu_level best = wt_cpu_best();
    printf("this processor: %s\n", wt_cpu_level_name(best));
    assert_int_equal(free_choice, best);
    assert_int_equal(empty, best);
    assert_int_equal(wrong, best);
    for (int level = 0; level < WT_CPU_LEVELS; level++)
        assert_int_equal(lowered[level], level < (int)best ? level : (int)best);
}

static void test_names(void **state) {
    (void)state;
    for (int level = 0; level < WT_CPU_LEVELS; level++)
        assert_int_equal(wt_cpu_level_by_name(wt_cpu_level_name((wt_cpu_level)level)), level);
    assert_int_equal(wt_cpu_level_by_name("AVX2"), -1);
    assert_int_equal(wt_cpu_level_by_name(""), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_environment), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
