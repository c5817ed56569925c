/* Network namespaces of the calling thread. */
#pragma once

/* Puts the thread into the namespace; *ret_back leads back. 0 or -errno. */
int netns_enter(int netns, int *ret_back);
/* Back to where it came from; closes `back`. */
void netns_return(int back);
