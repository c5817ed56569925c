/* JSON in files and texts; see json.h. */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int json_read_at(int dir, const char *name, size_t max, json_t **ret, struct err *err)
{
	autofree char *text = NULL;
	json_error_t bad;
	json_t *json;
	size_t len;
	int r;

	r = read_file_at(dir, name, max, &text, &len);
	if (r < 0)
		return err_sys(err, -r, "read %s", name);
	json = json_loadb(text, len, 0, &bad);
	if (!json) {
		err_set(err, ERR_SYSTEM, "%s: line %d, column %d: %s", name, bad.line, bad.column,
			bad.text);
		if (err)
			err->errnum = EBADMSG; /* there, but no JSON: not to be taken for absent */
		return -1;
	}
	*ret = json;
	return 0;
}

int json_save_at(int dir, const char *name, const json_t *json, enum save_mode mode,
		 struct err *err)
{
	autofree char *text = json_text(json);

	return save_file_at(dir, name, text, strlen(text), mode, err);
}

char *json_text(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : xstrdup("null");

	if (!text)
		abort(); /* out of memory */
	return text;
}

const char *json_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

int64_t json_int(const json_t *obj, const char *key, int64_t otherwise)
{
	const json_t *j = json_object_get(obj, key);

	return json_is_integer(j) ? json_integer_value(j) : otherwise;
}
