// What a read-only session says no to, and that the connection is as good as new afterwards: a line
// for each, its SQLSTATE. Run through vitrine only; large objects can be made in a READ ONLY
// transaction of PostgreSQL's own.

import java.io.StringReader;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.largeobject.LargeObjectManager;

public class PgjdbcRefusals {
    interface Attempt {
        void run(Connection c) throws Exception;
    }

    static void refused(Connection c, String label, Attempt attempt) throws SQLException {
        try {
            attempt.run(c);
            System.out.println(label + ": went through");
        } catch (SQLException error) {
            System.out.println(label + ": " + error.getSQLState());
        } catch (Exception error) {
            System.out.println(label + ": " + error);
        }
        if (!c.getAutoCommit()) {
            c.rollback();
        }
        try (Statement s = c.createStatement(); ResultSet rows = s.executeQuery("SELECT 1")) {
            rows.next();
        }
        if (!c.getAutoCommit()) {
            c.rollback();
        }
    }

    public static void main(String[] unused) throws Exception {
        Properties options = new Properties();
        options.setProperty("user", System.getenv("PGUSER"));
        options.setProperty("password", System.getenv("PGPASSWORD"));
        options.setProperty("sslmode", "verify-full");
        options.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        try (Connection c = DriverManager.getConnection("jdbc:postgresql://"
                 + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
                 + System.getenv("PGDATABASE"), options)) {
            refused(c, "insert", x -> {
                try (PreparedStatement p = x.prepareStatement(
                         "INSERT INTO library.authors (name) VALUES (?) RETURNING id")) {
                    p.setString(1, "x");
                    p.executeQuery();
                }
            });
            refused(c, "generated keys", x -> {
                try (PreparedStatement p = x.prepareStatement(
                         "INSERT INTO library.authors (name) VALUES (?)",
                         Statement.RETURN_GENERATED_KEYS)) {
                    p.setString(1, "x");
                    p.executeUpdate();
                }
            });
            refused(c, "batch", x -> {
                try (PreparedStatement p = x.prepareStatement(
                         "UPDATE library.books SET title = ? WHERE id = ?")) {
                    for (int i = 0; i < 5; i++) {
                        p.setString(1, "x");
                        p.setInt(2, i);
                        p.addBatch();
                    }
                    p.executeBatch();
                }
            });
            refused(c, "updatable row", x -> {
                try (Statement s = x.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE,
                                                     ResultSet.CONCUR_UPDATABLE);
                     ResultSet rows = s.executeQuery("SELECT id, title FROM library.books")) {
                    rows.next();
                    rows.updateString("title", "x");
                    rows.updateRow();
                }
            });
            refused(c, "procedure", x -> {
                try (CallableStatement call = x.prepareCall("call public.tidy_up()")) {
                    call.execute();
                }
            });
            refused(c, "function", x -> {
                try (CallableStatement call = x.prepareCall("{? = call public.writer(?)}")) {
                    call.registerOutParameter(1, java.sql.Types.INTEGER);
                    call.setString(2, "x");
                    call.execute();
                }
            });
            refused(c, "copy in", x -> x.unwrap(PGConnection.class).getCopyAPI().copyIn(
                "COPY library.authors (name) FROM STDIN", new StringReader("x\n")));
            refused(c, "listen", x -> x.createStatement().execute("LISTEN something"));
            c.setAutoCommit(false);
            LargeObjectManager objects = c.unwrap(PGConnection.class).getLargeObjectAPI();
            refused(c, "large object made", x -> objects.createLO(LargeObjectManager.READWRITE));
            refused(c, "large object read", x -> objects.open(1L, LargeObjectManager.READ));
            refused(c, "large object gone", x -> objects.delete(1L));
            refused(c, "two phases", x -> x.createStatement().execute("PREPARE TRANSACTION 'x'"));
        }
        System.out.println("done");
    }
}
