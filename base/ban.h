/* base/ban.h: the first include of every .c file: functions that must not be used are compile errors.
 *
 * Why:    each name here has ended as a bug in a tool of this kind; the compiler finds them better than a
 * review. setlocale stands here because no locale may change an output (architecture, section 8). Source:
 * pgBackRest src/build.h (idea); c-anchors section 4.12.
 */
#ifndef KB_BASE_BAN_H
#define KB_BASE_BAN_H

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* clang makes these two macros when it fortifies, and does not poison what is a macro. */
#undef sprintf
#undef vsprintf

#pragma GCC poison sprintf vsprintf strcpy strcat strncpy strncat strtok atoi atol atof gets localtime \
    gmtime system popen
#pragma GCC poison setlocale

#endif
