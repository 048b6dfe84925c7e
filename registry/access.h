/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/secret.h"
/*
 * Who may do what. A user has a role, for all there is, and permissions, which count before the role for one experiment
 * or model each. A token stands for a user, or for itself, and has never more than its user. Whoever is removed or
 * disabled here is out at the next request.
 */
struct db;
struct error;
struct js;

#define ACCESS_ROLES 4
extern const char *const access_roles[ACCESS_ROLES]; /* "viewer" ... "admin": by enum op_role (api/ops.h) */
/* ERR_USAGE with the words there are. */
int access_role(const char *word, int *ret, struct error *);

enum access_scope {
	SCOPE_TRACKING = 1, /* what training code uses: experiments, runs, models, their artifacts */
	SCOPE_OBJECTS = 2,  /* a remote: objects and refs, by push and pull */
	SCOPE_REST = 4,
	SCOPE_ALL = 7,
};
/* What may be done with one experiment or model. */
enum access_level { LEVEL_NONE, LEVEL_READ, LEVEL_EDIT, LEVEL_MANAGE /* also delete */, ACCESS_LEVELS };

#define ACCESS_NAME 100 /* bytes of a user's or token's name: letters, digits and "._@-" */

/* What a token or a name gives. */
struct grant {
	char user[ACCESS_NAME + 1];  /* "": the token stands for itself */
	char token[ACCESS_NAME + 1]; /* its name; "": by a password */
	char token_id[TOKEN_ID + 1];
	int role;
	unsigned scopes;
	int64_t user_row;            /* 0: none */
	bool special, hidden;        /* the user has permissions; one says "none" */
	char run[257];               /* the only run that it may write; "": any */
	int64_t last_used;           /* 0: never */
};
/* ERR_AUTH: no token, none of ours, expired, or of a user who is disabled; never with the token's text. */
int grant_by_token(struct db *, const char *token, int64_t now_ms, struct grant *ret, struct error *);
/* 1: its token and user are still there, not expired and not disabled; 0; -1 error. */
int grant_holds(struct db *, const struct grant *, int64_t now_ms, struct error *);
/* The user's hash comes with it: "" when there is no such user, none with a password, or he is disabled. */
int grant_by_user(struct db *, const char *name, struct grant *ret, char ret_password[PASSWORD_HASH], struct error *);

/* `kind` is "experiment" or "model". 1: *ret is what the user has there; 0: as his role says. */
int permission_find(struct db *, int64_t user_row, const char *kind, const char *object, enum access_level *ret,
		    struct error *);
/* The experiment of a run or of a logged model, as text; and, for a logged model, the run that made it, or "".
 * 0: there is none such. */
int access_run_place(struct db *, const char *run_id, char ret_experiment[24], struct error *);
int access_model_place(struct db *, const char *model_id, char ret_experiment[24], char ret_run[257], struct error *);
int access_experiment_named(struct db *, const char *name, char ret_experiment[24], struct error *);
/* What people call an object, as permissions keep it: the id of an experiment, by its name or else that id; a model's
 * name. 0: there is none such. */
int access_find_object(struct db *, const char *kind, const char *name, char *ret, size_t size, struct error *);

/* How many tokens and users with passwords could log in now. */
int access_count(struct db *, int64_t now_ms, int64_t *ret, struct error *);

/* ---- changes: each in a transaction; the caller writes the event ---- */

/* `password` as of password_hash, or NULL. Exists: ERR_EXISTS. */
int user_add(struct db *, const char *name, int role, const char *password, int64_t now_ms, struct error *);
/* Role -1, password NULL, disabled -1: as it is. ERR_NOT_FOUND. */
int user_edit(struct db *, const char *name, int role, const char *password, int disabled, struct error *);
/* With his tokens and permissions. */
int user_remove(struct db *, const char *name, struct error *);
/* [{name, role, password (bool), disabled, created, tokens, permissions}] by name */
int user_list(struct db *, struct js **ret, struct error *);

struct token_new {
	const char *name;
	const char *user;   /* or NULL */
	int role;           /* -1: the user's, or engineer */
	unsigned scopes;
	const char *run;    /* a run's whole id, or NULL */
	int64_t expires_ms; /* 0: never */
};
/* Tokens for one run that have expired go on this occasion. */
int token_add(struct db *, const struct token_new *, int64_t now_ms, char ret_token[TOKEN_LEN + 1], struct error *);
/* By name or id. */
int token_remove(struct db *, const char *name, struct error *);
/* [{name, id, user, role, scopes[], run, created, expires, last_used, expired}] by name; absent members: none */
int token_list(struct db *, int64_t now_ms, struct js **ret, struct error *);
/* Later than what stands there. A token that is gone is no error. */
int token_used(struct db *, const char *id, int64_t now_ms, struct error *);

/* `level` is a word. Replaces what was there. */
int permission_set(struct db *, const char *user, const char *kind, const char *object, const char *level,
		   struct error *);
int permission_remove(struct db *, const char *user, const char *kind, const char *object, struct error *);
/* [{user, kind, object, name, level}]; `user` NULL: of all */
int permission_list(struct db *, const char *user, struct js **ret, struct error *);

/* For --scope: a word to bits; ERR_USAGE with the words. */
int access_scope(const char *word, unsigned *ret, struct error *);
