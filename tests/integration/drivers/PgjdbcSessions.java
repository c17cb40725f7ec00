// What applications and pools do with a connection of pgjdbc: modes, transactions, cursors,
// settings, cancelling, COPY; once for each way that the driver has of sending a query.

import java.io.ByteArrayOutputStream;
import java.sql.Array;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Executors;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyOut;

public class PgjdbcSessions {
    static void show(String label, Object value) {
        System.out.println(label + ": " + value);
    }

    static String one(Connection connection, String sql) throws SQLException {
        try (Statement s = connection.createStatement(); ResultSet rows = s.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }

    static Connection connect(String... more) throws SQLException {
        Properties options = new Properties();
        options.setProperty("user", System.getenv("PGUSER"));
        options.setProperty("password", System.getenv("PGPASSWORD"));
        options.setProperty("sslmode", "verify-full");
        options.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        if (System.getenv("PGOPTIONS") != null) {
            options.setProperty("options", System.getenv("PGOPTIONS"));
        }
        for (int i = 0; i < more.length; i += 2) {
            options.setProperty(more[i], more[i + 1]);
        }
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
            + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), options);
    }

    /** Tables, columns and types of a result, as reports ask for them. */
    static void describe(Connection c) throws SQLException {
        try (PreparedStatement p = c.prepareStatement(
                 "SELECT b.*, a.name, 1 + 1 AS two FROM library.books b "
                 + "JOIN library.authors a ON a.id = b.author_id WHERE b.id = ?")) {
            ResultSetMetaData columns = p.getMetaData();
            for (int i = 1; columns != null && i <= columns.getColumnCount(); i++) {
                show("column", columns.getColumnName(i) + " " + columns.getColumnTypeName(i) + " "
                    + columns.getColumnClassName(i) + " " + columns.getTableName(i) + " "
                    + columns.getSchemaName(i) + " " + columns.isNullable(i) + " "
                    + columns.isAutoIncrement(i) + " " + columns.getPrecision(i) + " "
                    + columns.getScale(i));
            }
            show("parameter", p.getParameterMetaData().getParameterTypeName(1));
        }
    }

    static void values(Connection c) throws SQLException {
        try (PreparedStatement p = c.prepareStatement(
                 "SELECT id, title, price, tags, cover, size, on_shelf, added, weight, lent, "
                 + "from_ip, token, kept_for, meta, genre FROM library.books WHERE id = ?")) {
            // Beyond the prepare threshold, so that the last ones are server-side and binary.
            for (int n = 1; n <= 8; n++) {
                p.setInt(1, n);
                try (ResultSet rows = p.executeQuery()) {
                    rows.next();
                    StringBuilder line = new StringBuilder();
                    for (int i = 1; i <= 15; i++) {
                        Object value = rows.getObject(i);
                        line.append(value instanceof byte[] ? ((byte[]) value).length : value)
                            .append(' ');
                    }
                    show("row " + n, line.append(rows.getTimestamp("added").getTime()));
                }
            }
            show("prepared", p.unwrap(PGStatement.class).isUseServerPrepare());
        }
    }

    static void parameters(Connection c) throws SQLException {
        try (PreparedStatement p = c.prepareStatement(
                 "SELECT ?::int4, ?::int8, ?::numeric, ?::text, ?::bytea, ?::timestamptz, ?::uuid, "
                 + "?::bool, ?::float8, ?::text[], ?::date, ? IS NULL")) {
            for (int n = 0; n < 7; n++) {
                p.setInt(1, 7);
                p.setLong(2, 1L << 40);
                p.setBigDecimal(3, new java.math.BigDecimal("12.50"));
                p.setString(4, "it's é");
                p.setBytes(5, new byte[] {0, 1, (byte) 255});
                p.setObject(6, OffsetDateTime.parse("2024-02-29T12:00:00Z"));
                p.setObject(7, UUID.fromString("00000000-0000-4000-8000-00000000002a"));
                p.setBoolean(8, true);
                p.setDouble(9, 0.1);
                Array array = c.createArrayOf("text", new Object[] {"a", null, "b,c"});
                p.setArray(10, array);
                p.setDate(11, java.sql.Date.valueOf("2024-02-29"));
                p.setNull(12, Types.VARCHAR);
                try (ResultSet rows = p.executeQuery()) {
                    rows.next();
                    show("sent", rows.getInt(1) + " " + rows.getLong(2) + " "
                        + rows.getBigDecimal(3) + " " + rows.getString(4) + " "
                        + rows.getBytes(5).length + " "
                        + rows.getTimestamp(6).getTime() + " " + rows.getObject(7) + " "
                        + rows.getBoolean(8) + " " + rows.getDouble(9) + " " + rows.getString(10)
                        + " " + rows.getDate(11) + " " + rows.getBoolean(12));
                }
            }
        }
    }

    static void calls(Connection c) throws SQLException {
        // The driver sends a parameter of type void for what comes back.
        try (CallableStatement call = c.prepareCall("{? = call upper(?)}")) {
            call.registerOutParameter(1, Types.VARCHAR);
            call.setString(2, "called");
            call.execute();
            show("call", call.getString(1));
        }
    }

    static void statements(Connection c) throws SQLException {
        show("escape", one(c, "SELECT {fn concat('a', {fn ucase('b')})} || {d '2024-02-29'}"));
        try (Statement s = c.createStatement()) {
            s.addBatch("SET TIME ZONE 'UTC'");
            s.addBatch("SET IntervalStyle = 'postgres'");
            show("batch", s.executeBatch().length);
            show("limit", s.getMaxRows());
            s.setMaxRows(3);
            try (ResultSet rows = s.executeQuery("SELECT id FROM library.books ORDER BY id")) {
                int count = 0;
                while (rows.next()) {
                    count++;
                }
                show("at most", count);
            }
        }
    }

    static void transactions(Connection c) throws SQLException {
        for (int level : new int[] {Connection.TRANSACTION_READ_UNCOMMITTED,
                                    Connection.TRANSACTION_READ_COMMITTED,
                                    Connection.TRANSACTION_REPEATABLE_READ,
                                    Connection.TRANSACTION_SERIALIZABLE}) {
            c.setTransactionIsolation(level);
            show("isolation " + level, c.getTransactionIsolation() + " "
                + one(c, "SHOW transaction_isolation"));
        }
        c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        // As a pool sets a connection up and takes it back.
        c.setReadOnly(true);
        show("read only", c.isReadOnly() + " " + one(c, "SHOW transaction_read_only"));
        c.setAutoCommit(false);
        show("read only", c.isReadOnly() + " " + one(c, "SHOW transaction_read_only"));
        c.rollback();
        c.setReadOnly(false);
        show("not", c.isReadOnly() + " " + one(c, "SELECT count(*) FROM library.books"));
        Savepoint outer = c.setSavepoint("outer");
        Savepoint nameless = c.setSavepoint();
        try {
            one(c, "SELECT 1 / 0");
        } catch (SQLException error) {
            show("error", error.getSQLState());
        }
        c.rollback(nameless);
        show("after it", one(c, "SELECT 2"));
        c.releaseSavepoint(outer);
        c.commit();
        try (Statement s = c.createStatement(ResultSet.TYPE_FORWARD_ONLY,
                                             ResultSet.CONCUR_READ_ONLY)) {
            s.setFetchSize(7);
            int sum = 0;
            try (ResultSet rows = s.executeQuery("SELECT id FROM library.books ORDER BY id");
                 Statement other = c.createStatement()) {
                while (rows.next()) {
                    sum += rows.getInt(1);
                    if (sum % 50 == 0) {
                        other.executeQuery("SELECT 1").close();
                    }
                }
            }
            show("fetched", sum);
        }
        c.commit();
        try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE,
                                             ResultSet.CONCUR_UPDATABLE);
             ResultSet rows = s.executeQuery("SELECT id, title FROM library.books ORDER BY id")) {
            rows.last();
            show("scrolled", rows.getRow() + " " + rows.getString(2));
            rows.absolute(5);
            rows.relative(-2);
            show("scrolled", rows.getString(2));
        }
        c.commit();
        try (Statement s = c.createStatement()) {
            s.execute("DECLARE held NO SCROLL CURSOR FOR "
                + "SELECT id FROM library.authors ORDER BY id");
            show("by hand", one(c, "FETCH 2 FROM held"));
            s.execute("CLOSE held");
        }
        c.rollback();
        c.setAutoCommit(true);
    }

    static void settings(Connection c) throws Exception {
        show("schema", c.getSchema());
        c.setSchema("library");
        show("schema", c.getSchema() + " " + one(c, "SELECT count(*) FROM books"));
        c.setSchema("public");
        c.setClientInfo("ApplicationName", "a report");
        show("client info", c.getClientInfo("ApplicationName"));
        Properties info = new Properties();
        info.setProperty("ApplicationName", "another");
        c.setClientInfo(info);
        show("client info", c.getClientInfo());
        show("catalog", c.getCatalog());
        show("holdability", c.getHoldability());
        c.setNetworkTimeout(Executors.newSingleThreadExecutor(r -> {
            Thread thread = new Thread(r);
            thread.setDaemon(true);
            return thread;
        }), 20000);
        show("network timeout", c.getNetworkTimeout());
        show("valid", c.isValid(5));
        // The only one may be vitrine's own, at the login.
        show("warnings",
            c.getWarnings() == null || c.getWarnings().getMessage().contains("vitrine"));
        c.clearWarnings();
        show("native", c.nativeSQL("SELECT {fn now()}"));
        PGConnection pg = c.unwrap(PGConnection.class);
        show("parameters", pg.getParameterStatus("server_encoding") + " "
            + pg.getParameterStatus("standard_conforming_strings") + " "
            + pg.getParameterStatuses().size());
        show("quoted", pg.escapeIdentifier("a \"b\"") + pg.escapeLiteral("it's"));
        show("notifications", pg.getNotifications() == null || pg.getNotifications().length == 0);
        ByteArrayOutputStream sink = new ByteArrayOutputStream();
        show("copied", pg.getCopyAPI().copyOut(
            "COPY (SELECT id, title FROM library.books ORDER BY id) TO STDOUT WITH (FORMAT csv)",
            sink) + " " + sink.size());
        CopyOut rows = pg.getCopyAPI().copyOut("COPY library.authors (id, name) TO STDOUT");
        int lines = 0;
        while (rows.readFromCopy() != null) {
            lines++;
        }
        show("copied", lines);
    }

    static void cancels(Connection c) throws Exception {
        String forever = "SELECT count(*) FROM generate_series(1, 2000000000)";
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            s.executeQuery(forever);
        } catch (SQLException error) {
            show("timeout", error.getSQLState());
        }
        Statement s = c.createStatement();
        Thread other = new Thread(() -> {
            try {
                Thread.sleep(300);
                s.cancel();
            } catch (Exception error) {
                show("cancel", error);
            }
        });
        other.start();
        try {
            s.executeQuery(forever);
        } catch (SQLException error) {
            show("cancelled", error.getSQLState());
        }
        other.join();
        s.close();
        show("and on", one(c, "SELECT 3"));
    }

    public static void main(String[] unused) throws Exception {
        for (String mode : new String[] {"extended", "extendedForPrepared",
                                         "extendedCacheEverything", "simple"}) {
            try (Connection c = connect("preferQueryMode", mode)) {
                show("mode", mode);
                values(c);
                statements(c);
                // The driver cannot write all types as literals.
                if (!mode.equals("simple")) {
                    calls(c);
                    parameters(c);
                    describe(c);
                }
                transactions(c);
                settings(c);
                cancels(c);
            }
        }
        String[][] kinds = {
            {"prepareThreshold", "1"}, {"prepareThreshold", "5", "binaryTransfer", "false"},
            {"prepareThreshold", "-1"}, {"prepareThreshold", "0"}, {"readOnly", "true"},
            {"readOnlyMode", "ignore"}, {"autosave", "always"}, {"autosave", "conservative"},
            {"defaultRowFetchSize", "3"}, {"adaptiveFetch", "true", "defaultRowFetchSize", "2"},
            {"assumeMinServerVersion", "9.0"}, {"currentSchema", "library,public"},
            {"stringtype", "unspecified"}, {"cleanupSavepoints", "true", "autosave", "always"},
            {"targetServerType", "any"}, {"targetServerType", "secondary"},
            {"hostRecheckSeconds", "0"}, {"databaseMetadataCacheFields", "0"},
            {"disableColumnSanitiser", "true"}, {"reWriteBatchedInserts", "true"},
            {"logUnclosedConnections", "true"}, {"ApplicationName", "some report"},
            {"gssEncMode", "disable"}, {"tcpKeepAlive", "true"}};
        for (String[] kind : kinds) {
            try (Connection c = connect(kind)) {
                show("with", String.join(" ", kind) + " " + c.isReadOnly());
                values(c);
                parameters(c);
                c.setAutoCommit(false);
                show("error", failure(c));
                if (kind[0].equals("autosave")) {
                    // The driver goes back to a savepoint of its own.
                    show("saved", one(c, "SELECT count(*) FROM library.authors"));
                }
                c.rollback();
            } catch (SQLException error) {
                show("with " + String.join(" ", kind), error.getSQLState());
            }
        }
        System.out.println("done");
    }

    static String failure(Connection c) {
        try {
            return one(c, "SELECT 1 / (id - id) FROM library.authors");
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }
}
