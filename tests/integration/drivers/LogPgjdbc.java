// Statements with a mark in them, and what the query log has to say of each: a JSON list of
// [sql, values, rows, sqlstate] on stdout, in the order in which they ran.

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

public class LogPgjdbc {
    static final String MARK = "/*log*/";
    static final List<String> expected = new ArrayList<>();

    static String quoted(String text) {
        return text == null ? "null" : "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    static void note(String sql, String[] values, int rows, String sqlstate) {
        StringBuilder line = new StringBuilder("[" + quoted(sql) + ", ");
        if (values == null) {
            line.append("null");
        } else {
            List<String> all = new ArrayList<>();
            for (String value : values) {
                all.add(quoted(value));
            }
            line.append("[").append(String.join(", ", all)).append("]");
        }
        expected.add(line + ", " + rows + ", " + quoted(sqlstate) + "]");
    }

    static int count(ResultSet rows) throws SQLException {
        int count = 0;
        while (rows.next()) {
            count++;
        }
        return count;
    }

    public static void main(String[] arguments) throws Exception {
        Properties options = new Properties();
        options.setProperty("user", System.getenv("PGUSER"));
        options.setProperty("password", System.getenv("PGPASSWORD"));
        options.setProperty("sslmode", "verify-full");
        options.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT")
            + "/" + System.getenv("PGDATABASE");
        try (Connection connection = DriverManager.getConnection(url, options)) {
            String sql = "SELECT " + MARK + " 1";
            try (Statement s = connection.createStatement()) {
                note(sql, null, count(s.executeQuery(sql)), "00000");
            }
            // Prepared on the server after five runs, and in binary from then on.
            sql = "SELECT " + MARK + " title FROM library.books WHERE id <= ? AND price < ?";
            try (PreparedStatement p = connection.prepareStatement(sql)) {
                for (int id = 0; id < 9; id++) {
                    p.setInt(1, id);
                    p.setBigDecimal(2, new BigDecimal("1000000.50"));
                    note("SELECT " + MARK + " title FROM library.books WHERE id <= $1 AND price < $2",
                        new String[] {String.valueOf(id), "1000000.50"}, count(p.executeQuery()),
                        "00000");
                }
            }
            sql = "SELECT " + MARK + " ?, ?::text, ?::float8";
            try (PreparedStatement p = connection.prepareStatement(sql)) {
                for (int run = 0; run < 7; run++) {
                    p.setLong(1, 1L << 40);
                    p.setString(2, run % 2 == 0 ? null : "a\"\\é");
                    p.setDouble(3, 0.25);
                    note("SELECT " + MARK + " $1, $2::text, $3::float8",
                        new String[] {String.valueOf(1L << 40), run % 2 == 0 ? null : "a\"\\é", "0.25"},
                        count(p.executeQuery()), "00000");
                }
            }
            // A portal that is fetched in pieces is one statement.
            connection.setAutoCommit(false);
            sql = "SELECT " + MARK + " generate_series(1, 25)";
            try (PreparedStatement p = connection.prepareStatement(sql)) {
                p.setFetchSize(10);
                note(sql, null, count(p.executeQuery()), "00000");
            }
            connection.commit();
            connection.setAutoCommit(true);
            sql = "SELECT " + MARK + " 1 / ?::int";
            try (PreparedStatement p = connection.prepareStatement(sql)) {
                p.setInt(1, 0);
                p.executeQuery();
            } catch (SQLException error) {
                note("SELECT " + MARK + " 1 / $1::int", new String[] {"0"}, 0, error.getSQLState());
            }
        }
        System.out.println("[" + String.join(", ", expected) + "]");
    }
}
