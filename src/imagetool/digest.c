/* SHA-256 over libcrypto; see digest.h. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "imagetool/digest.h"

struct digest {
	EVP_MD_CTX *ctx;
};

/* libcrypto fails here only where memory is out or it has no SHA-256. */
static void must(int ok)
{
	if (!ok)
		abort();
}

struct digest *digest_new(void)
{
	struct digest *d = xnew(struct digest);

	d->ctx = EVP_MD_CTX_new();
	must(d->ctx != NULL);
	must(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
	return d;
}

void digest_add(struct digest *d, const void *data, size_t n)
{
	must(EVP_DigestUpdate(d->ctx, data, n));
}

void digest_end(struct digest *d, digest_hex ret)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	must(EVP_DigestFinal_ex(d->ctx, md, &n));
	hex_encode(md, n, ret);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_of(const void *data, size_t n, digest_hex ret)
{
	struct digest *d = digest_new();

	digest_add(d, data, n);
	digest_end(d, ret);
	digest_free(d);
}

const char *digest_parse(const char *text)
{
	if (!text || !str_has_prefix(text, "sha256:"))
		return NULL;
	text += sizeof("sha256:") - 1;
	return str_is_hex(text, DIGEST_HEX_LEN) ? text : NULL;
}
