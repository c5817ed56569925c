/*
 * What lies below <data-root>/image/, and the little that the daemon and the program holdfast-image
 * say to each other. Whole content, by whose hand, and the order that makes a crash harmless:
 *
 *	staging/<name>/		one unfinished load or import; holdfast-image writes here and nowhere else:
 *	  blobs/<hex>		as blobs/sha256/<hex> shall be
 *	  layers/<16 hex>/	as layers/<16 hex>/ shall be
 *	  work/<n>/		layers that are not yet known to belong to an image
 *	layers/<16 hex>/	diff/ and layer.json, see below; renamed here whole, never changed again
 *	blobs/sha256/<hex>	renamed here whole, never changed again
 *	images/<hex>.json	an image: written last, durably. What no image names does not exist and is
 *				swept after the daemon's restore
 *
 * A layer is known by its diff id, the digest of its tar, of which the directory's name are the
 * first 16 digits, so that overlay's option string holds 100 layers and more; layer.json has all of
 * it, and who meets a directory with another diff id refuses it.
 *
 * What the program copies up for a volume (copy-up) goes to the volume's directory, which the daemon
 * names, and comes out of the layers.
 *
 * holdfast-image answers on its standard output, in JSON:
 *	{"Images": [{"Config": "<hex>", "Names": ["busybox:latest", ...],
 *		     "Layers": ["<hex of the diff id>", ...]}]}
 *	{"Copied": true}	copy-up
 *	{"Error": {"Kind": "invalid" | "too large" | "system", "Text": "..."}}
 * Everything in Images lies in the staging directory, or was already in the store, and is on disk.
 */
#pragma once

#define IMAGE_DIR_BLOBS	  "blobs/sha256"
#define IMAGE_DIR_LAYERS  "layers"
#define IMAGE_DIR_IMAGES  "images"
#define IMAGE_DIR_STAGING "staging"
#define STAGING_BLOBS	  "blobs"
#define STAGING_WORK	  "work"
#define STAGING_CONFIG	  "config.json" /* import: the configuration without its rootfs */
#define LAYER_DIFF	  "diff"
#define LAYER_JSON	  "layer.json"
#define LAYER_NAME_LEN	  16
#define DIGEST_HEX_LEN	  64

#define IMAGE_FORMAT_VERSION 1

/* Caps on what an archive may bring. */
#define IMAGE_MAX_JSON	 (4 << 20) /* a manifest, index or configuration */
#define IMAGE_MAX_LAYERS 500	   /* overlay's own limit */
#define IMAGE_MAX_IMAGES 1000	   /* in one archive */
#define IMAGE_MAX_ANSWER (64 << 20)

/* layer.json: {"Version":1,"DiffId":"<hex>","Size":n,"TarSize":n,"Blob":"<hex>","BlobSize":n,
 * "Compression":"gzip","OpaqueRoot":false}. Size is of the unpacked files, TarSize of the tar whose
 * digest DiffId is, Blob names the compressed tar in blobs/sha256/; below an opaque root no lower
 * layer is seen. */

/* This host as image configurations name it (Go's GOARCH). */
#if defined(__x86_64__)
#define IMAGE_HOST_ARCH "amd64"
#elif defined(__aarch64__)
#define IMAGE_HOST_ARCH "arm64"
#elif defined(__i386__)
#define IMAGE_HOST_ARCH "386"
#elif defined(__arm__)
#define IMAGE_HOST_ARCH "arm"
#elif defined(__riscv) && __riscv_xlen == 64
#define IMAGE_HOST_ARCH "riscv64"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IMAGE_HOST_ARCH "ppc64le"
#elif defined(__s390x__)
#define IMAGE_HOST_ARCH "s390x"
#else
#error "which architecture is this to an image?"
#endif
