/* Processor time, user's and system's, in seconds. */
#ifndef WT_CLI_PROCESS_TIME_H
#define WT_CLI_PROCESS_TIME_H

/* Of this process so far. */
double wt_own_seconds(void);

/* Of another process so far, all its threads; NaN where that cannot be told. */
double wt_process_seconds(long process);

#endif
