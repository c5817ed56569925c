/* See fault.h. */
#include "wire/fault.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

static const struct runtime_fault faults[] = {
	{"executable file not found", "executable file not found in $PATH", 127},
	/* crun: executable file `x` ... */
	{"not found in $PATH", "executable file not found in $PATH", 127},
	{"no such file or directory", "no such file or directory", 127},
	{"No such file or directory", "no such file or directory", 127},
	{"permission denied", "permission denied", 126},
	{"Permission denied", "permission denied", 126},
	{"is a directory", "permission denied", 126},
	/* crun, of a directory */
	{"open executable: Operation not permitted", "permission denied", 126},
};

const struct runtime_fault *runtime_fault_find(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (strstr(text, faults[i].has))
			return &faults[i];
	return NULL;
}
