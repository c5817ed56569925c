/* What removing an image comes to, as a table. */
#include "image/remove.h"

#include "base/mem.h"
#include "base/str.h"
#include "test.h"

#define NAME  true
#define ID    false
#define FORCE true

TEST(docker_s_rules)
{
	static const struct {
		struct remove_facts f;
		enum remove_action action;
		const char *words;
	} table[] = {
		/* by name, force, names, children, used by, running */
		{{NAME, 0, 1, 0, "", 0}, REMOVE_DELETE, NULL},
		{{NAME, FORCE, 1, 0, "", 0}, REMOVE_DELETE, NULL},
		{{NAME, 0, 2, 0, "", 0}, REMOVE_UNTAG, NULL},
		{{NAME, 0, 2, 0, "abc", true}, REMOVE_UNTAG, NULL},
		{{NAME, 0, 1, 0, "abc", 0},
		 REMOVE_REFUSE,
		 "conflict: unable to remove repository reference \"x:1\" (must force) - container "
		 "abc is "
		 "using its referenced image def"},
		{{NAME, 0, 1, 0, "abc", true},
		 REMOVE_REFUSE,
		 "conflict: unable to remove repository reference \"x:1\" (must force) - container "
		 "abc is "
		 "using its referenced image def"},
		{{NAME, FORCE, 1, 0, "abc", 0}, REMOVE_UNTAG, NULL},
		{{NAME, FORCE, 1, 0, "abc", true}, REMOVE_UNTAG, NULL},
		{{NAME, 0, 1, true, "", 0}, REMOVE_UNTAG, NULL},
		{{ID, 0, 0, 0, "", 0}, REMOVE_DELETE, NULL},
		{{ID, 0, 1, 0, "", 0}, REMOVE_DELETE, NULL},
		{{ID, 0, 2, 0, "", 0},
		 REMOVE_REFUSE,
		 "conflict: unable to delete def (must be forced) - image is referenced in "
		 "multiple "
		 "repositories"},
		{{ID, FORCE, 2, 0, "", 0}, REMOVE_DELETE, NULL},
		{{ID, 0, 1, 0, "abc", 0},
		 REMOVE_REFUSE,
		 "conflict: unable to delete def (must be forced) - image is being used by stopped "
		 "container abc"},
		{{ID, 0, 1, 0, "abc", true},
		 REMOVE_REFUSE,
		 "conflict: unable to delete def (cannot be forced) - image is being used by "
		 "running "
		 "container abc"},
		{{ID, FORCE, 2, 0, "abc", true},
		 REMOVE_REFUSE,
		 "conflict: unable to delete def (cannot be forced) - image is being used by "
		 "running "
		 "container abc"},
		{{ID, FORCE, 2, 0, "abc", 0}, REMOVE_UNTAG_ALL, NULL},
		{{ID, FORCE, 0, 0, "abc", 0},
		 REMOVE_REFUSE,
		 "conflict: unable to delete def (cannot be forced) - image is being used by "
		 "stopped "
		 "container abc"},
		{{ID, FORCE, 0, true, "", 0},
		 REMOVE_REFUSE,
		 "conflict: unable to delete def (cannot be forced) - image has dependent child "
		 "images"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct err err = {0};

		print_message("row %zu\n", i);
		assert_int_equal(remove_decide(&table[i].f, "x:1", "def", &err), table[i].action);
		if (table[i].words)
			assert_string_equal(err.text, table[i].words);
		assert_int_equal(err.kind, table[i].words ? ERR_CONFLICT : ERR_NONE);
	}
}

TEST(nothing_used_is_ever_deleted)
{
	for (unsigned bits = 0; bits < 64; bits++) {
		struct remove_facts f = {
			.by_name = bits & 1,
			.force = bits & 2,
			.names = (bits >> 2 & 3) + (bits & 1),
			.has_children = bits & 16,
			.used_by = "abc",
			.running = bits & 32,
		};

		assert_int_not_equal(remove_decide(&f, "x", "y", NULL), REMOVE_DELETE);
	}
}
