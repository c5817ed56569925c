/*
 * What the OCI runtimes say of a program that cannot be run, and docker's words and exit code for
 * the same, by which clients go.
 */
#pragma once

struct runtime_fault {
	const char *has;   /* in the runtime's words */
	const char *words; /* docker's, to follow `exec: "x": ` */
	int code;	   /* 127: there is none; 126: it is none that can be run */
};

/* The fault that a runtime's text tells of, NULL where it is another. */
const struct runtime_fault *runtime_fault_find(const char *text);
