-- The roles of a database of betcore, each of which may log in, and none of which is a superuser. docs/database-roles.md
-- says what they are for; what they may do with tables, `python -m betcore migrate` grants them.
--
-- A superuser runs this in the service's database, as often as wanted: what is there already stays, and tables of an
-- installation from before become the owner's. A role's password is the setting betcore.password_<name> of the session;
-- a role without one keeps the password that it has. deploy/postgres/roles.sh gives them.
DO $$
DECLARE
    database CONSTANT text := current_database();
    name text;
    role text;
    password text;
    thing record;
BEGIN
    FOREACH name IN ARRAY ARRAY['owner', 'api', 'worker', 'feed', 'ops', 'read', 'archive'] LOOP
        role := 'betcore_' || name;
        IF to_regrole(role) IS NULL THEN
            EXECUTE format('CREATE ROLE %I', role);
        END IF;
        EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
        password := nullif(current_setting('betcore.password_' || name, true), '');
        IF password IS NOT NULL THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', role, password);
        END IF;
    END LOOP;

    -- Nobody else connects: Temporal's role has databases of its own. No role but the owner makes anything.
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', database);
    FOREACH name IN ARRAY ARRAY['api', 'worker', 'feed', 'ops', 'read', 'archive'] LOOP
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', database, 'betcore_' || name);
    END LOOP;
    EXECUTE format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO betcore_owner', database);
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE, CREATE ON SCHEMA public TO betcore_owner;

    -- A table takes the sequences of its columns with it.
    FOR thing IN
        SELECT format('ALTER %s %s OWNER TO betcore_owner', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                      pg_class.oid::regclass) AS command
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S')
          AND relowner <> 'betcore_owner'::regrole
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('a', 'i', 'e'))
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO betcore_owner', pg_proc.oid::regprocedure)
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner <> 'betcore_owner'::regrole
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE thing.command;
    END LOOP;
END $$;
