// What an application does with pgjdbc: prepared statements (server-side after five runs, binary),
// batches, cursors by fetch size, metadata, COPY, cancel.

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.io.StringWriter;
import java.util.Properties;
import org.postgresql.PGConnection;

public class WithPgjdbc {
    static void show(String label, Object value) {
        System.out.println(label + ": " + value);
    }

    static void print(String label, ResultSet rows) throws SQLException {
        ResultSetMetaData columns = rows.getMetaData();
        while (rows.next()) {
            StringBuilder line = new StringBuilder();
            for (int i = 1; i <= columns.getColumnCount(); i++) {
                line.append(columns.getColumnLabel(i)).append('(')
                    .append(columns.getColumnTypeName(i)).append(")=")
                    .append(rows.getString(i)).append(' ');
            }
            show(label, line);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Properties options = new Properties();
        options.setProperty("user", System.getenv("PGUSER"));
        options.setProperty("password", System.getenv("PGPASSWORD"));
        options.setProperty("sslmode", "verify-full");
        options.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        options.setProperty("ApplicationName", "");
        if (System.getenv("PGOPTIONS") != null) {
            options.setProperty("options", System.getenv("PGOPTIONS"));
        }
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT")
            + "/" + System.getenv("PGDATABASE");
        try (Connection connection = DriverManager.getConnection(url, options)) {
            try (Statement s = connection.createStatement()) {
                print("row", s.executeQuery("SELECT id, title, price, added, tags, meta, cover, "
                    + "lent, token, weight FROM library.books ORDER BY id LIMIT 3"));
                s.execute("SELECT 1; SELECT 2");
                show("more results", s.getMoreResults());
            }
            try (PreparedStatement p = connection.prepareStatement(
                     "SELECT title, price, added FROM library.books WHERE id = ? OR title = ?")) {
                for (int i = 1; i < 9; i++) {
                    p.setInt(1, i);
                    p.setString(2, "Title " + (i + 100));
                    print("prepared", p.executeQuery());
                }
                show("parameters", p.getParameterMetaData().getParameterTypeName(1));
            }
            connection.setAutoCommit(false);
            try (Statement s = connection.createStatement()) {
                s.setFetchSize(50);
                int count = 0;
                try (ResultSet rows = s.executeQuery("SELECT * FROM library.books ORDER BY id")) {
                    while (rows.next()) {
                        count++;
                    }
                }
                show("fetch size", count);
                s.executeQuery("SELECT 1 / 0");
            } catch (SQLException error) {
                show("error", error.getSQLState() + " " + error.getMessage());
            }
            connection.rollback();
            connection.setReadOnly(true);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            try (Statement s = connection.createStatement()) {
                print("isolation", s.executeQuery("SHOW transaction_isolation"));
            }
            connection.commit();
            connection.setAutoCommit(true);

            DatabaseMetaData metadata = connection.getMetaData();
            print("table", metadata.getTables(null, "library", "%", new String[] {"TABLE", "VIEW"}));
            print("column", metadata.getColumns(null, "library", "books", "%"));
            print("key", metadata.getPrimaryKeys(null, "library", "books"));
            print("foreign key", metadata.getImportedKeys(null, "library", "books"));
            print("index", metadata.getIndexInfo(null, "library", "books", false, true));
            print("schema", metadata.getSchemas(null, "library"));
            show("version", metadata.getDatabaseProductVersion());

            StringWriter copied = new StringWriter();
            connection.unwrap(PGConnection.class).getCopyAPI()
                .copyOut("COPY (SELECT id, name FROM library.authors ORDER BY id) TO STDOUT", copied);
            show("copy", copied.toString().length());

            try (Statement s = connection.createStatement()) {
                s.setQueryTimeout(1);
                s.executeQuery("SELECT count(*) FROM generate_series(1, 2000000000)");
            } catch (SQLException error) {
                show("cancelled", error.getSQLState());
            }
            show("valid", connection.isValid(5));
        }
        System.out.println("done");
    }
}
