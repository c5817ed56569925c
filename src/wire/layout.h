/*
 * Where things lie on disk: the names that daemon and shim agree on. See ARCHITECTURE.md.
 *
 *	<data-root>/containers/<id>/	config.json state.json		the daemon's, durable
 *					runs.jsonl json.log*		the shim's
 *					upper/ work/			overlay
 *					hostname hosts resolv.conf	the daemon's, bind-mounted
 *	<exec-root>/containers/<id>/	phase.json shim.conf bundle/	the daemon's
 *					alive shim.sock pid shim.log	the shim's
 *					execs/<id>/			of a probe: the shim's; of an exec session: the
 *									daemon's; until it has taken up the result
 *	<exec-root>/execs/<id>						the daemon's: an exec session that has ended
 *	<exec-root>/runtime/<name>/	the OCI runtime's own state (its --root)
 */
#pragma once

#define LAYOUT_CONTAINERS "containers"
#define LAYOUT_RUNTIME	  "runtime"
#define LAYOUT_CONFIG	  "config.json"
#define LAYOUT_STATE	  "state.json"
#define LAYOUT_RUNS	  "runs.jsonl"
#define LAYOUT_LOG	  "json.log" /* rotated: json.log.1, json.log.2, ... */
#define LAYOUT_UPPER	  "upper"
#define LAYOUT_WORK	  "work"
#define LAYOUT_PHASE	  "phase.json"
#define LAYOUT_SHIM_CONF  "shim.conf"
#define LAYOUT_BUNDLE	  "bundle"
#define LAYOUT_NS_PREFIX \
	"ns-" /* in the bundle: namespaces of another container; the shim's mounts */
#define LAYOUT_ROOTFS "rootfs" /* in the bundle */
#define BUNDLE_CONFIG                                                                             \
	"config.json"		    /* in the bundle; the name is the OCI runtime specification's \
				     */
#define BUNDLE_HEALTH "health.json" /* in the bundle: the process of a health check */
#define LAYOUT_EXECS  "execs"
#define EXEC_RESULT   "result"	    /* in execs/<id>: the shim's */
#define EXEC_BEGUN    "begun"	    /* the shim's: the session has been started, once and for all */
#define EXEC_DETACHED "detached"    /* the shim's: by keys; until the daemon has told it */
#define EXEC_CONFIG   "config.json" /* the daemon's: what was asked for */
#define EXEC_PROCESS  "process.json" /* the daemon's, for the runtime */
#define EXEC_ENDED    "ended.json"   /* the daemon's, on its way to <exec-root>/execs/<id> */
/* The id of an exec session begins with so many digits of its container's. */
#define EXEC_ID_CONTAINER_LEN 32
#define LAYOUT_ALIVE	      "alive"
#define LAYOUT_SHIM_SOCK      "shim.sock"
#define LAYOUT_PID	      "pid"
#define LAYOUT_SHIM_LOG	      "shim.log"

#define CONTAINER_ID_LEN 64
