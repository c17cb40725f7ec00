// Every method of java.sql.DatabaseMetaData, with several patterns of arguments each: all values,
// all rows. What a method does not support, or the server refuses, is printed as well.

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Properties;
import java.util.Set;

public class PgjdbcMetadata {
    // Where one connects to and as whom is the only thing that may differ.
    static final Set<String> LEFT_OUT = Set.of("getURL", "getUserName", "getConnection", "unwrap",
                                               "isWrapperFor");
    // What stands for catalog, schema, table and column, in the order that all methods take them.
    static final String[][] PATTERNS = {
        {null, "library", "books", "%"},  {null, "library", "%", "t%"},
        {"shop", "public", "customers", null}, {null, "Mixed", "Client Data", "E-Mail"},
        {null, "nothing", "none", "none"}, {null, null, "%", "%"},
        {null, "pg_catalog", "pg_class", "rel%"}, {"", "", "", ""},
    };
    static final String[] PARENT = {null, "library", "authors"};
    static final int[] NUMBERS = {Types.INTEGER, Types.VARCHAR, ResultSet.TYPE_FORWARD_ONLY,
                                  ResultSet.TYPE_SCROLL_INSENSITIVE,
                                  Connection.TRANSACTION_SERIALIZABLE,
                                  DatabaseMetaData.bestRowSession};

    static void print(String label, Object value) throws SQLException {
        if (!(value instanceof ResultSet)) {
            System.out.println(label + " = " + value);
            return;
        }
        try (ResultSet rows = (ResultSet) value) {
            ResultSetMetaData columns = rows.getMetaData();
            StringBuilder head = new StringBuilder();
            for (int i = 1; i <= columns.getColumnCount(); i++) {
                head.append(' ').append(columns.getColumnLabel(i)).append(':')
                    .append(columns.getColumnTypeName(i));
            }
            System.out.println(label + " ->" + head);
            int count = 0;
            while (rows.next()) {
                StringBuilder line = new StringBuilder();
                for (int i = 1; i <= columns.getColumnCount(); i++) {
                    line.append(i > 1 ? " | " : "  ").append(rows.getString(i));
                }
                System.out.println(line);
                count++;
            }
            System.out.println("  (" + count + ")");
        }
    }

    /** The argument lists a method is called with. */
    static List<Object[]> arguments(Method method) {
        Class<?>[] types = method.getParameterTypes();
        List<Object[]> lists = new ArrayList<>();
        boolean names = Arrays.asList(types).contains(String.class);
        int rounds = types.length == 0 ? 1 : names ? PATTERNS.length : NUMBERS.length;
        for (int round = 0; round < rounds; round++) {
            Object[] list = new Object[types.length];
            int name = 0;
            for (int i = 0; i < types.length; i++) {
                if (types[i] == String.class) {
                    // getCrossReference: the parent's three, then the child's.
                    list[i] = method.getName().equals("getCrossReference") && i < 3
                        ? PARENT[i] : PATTERNS[round][name++ % 4];
                    if (method.getName().equals("getCrossReference") && i < 3) {
                        name = 0;
                    }
                } else if (types[i] == boolean.class) {
                    list[i] = (round + i) % 2 == 0;
                } else if (types[i] == int.class) {
                    list[i] = NUMBERS[(round + i) % NUMBERS.length];
                } else if (types[i] == String[].class) {
                    list[i] = round % 2 == 0 ? null : new String[] {"TABLE", "VIEW", "SEQUENCE",
                                                                    "INDEX", "TYPE"};
                } else if (types[i] == int[].class) {
                    list[i] = round % 2 == 0 ? null : new int[] {Types.STRUCT, Types.DISTINCT};
                } else {
                    throw new IllegalStateException("no argument for " + method);
                }
            }
            lists.add(list);
        }
        return lists;
    }

    static String shown(Object argument) {
        if (argument instanceof Object[]) {
            return Arrays.toString((Object[]) argument);
        }
        return argument instanceof int[] ? Arrays.toString((int[]) argument)
                                         : String.valueOf(argument);
    }

    public static void main(String[] unused) throws Exception {
        Properties options = new Properties();
        options.setProperty("user", System.getenv("PGUSER"));
        options.setProperty("password", System.getenv("PGPASSWORD"));
        options.setProperty("sslmode", "verify-full");
        options.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        if (System.getenv("PGOPTIONS") != null) {
            options.setProperty("options", System.getenv("PGOPTIONS"));
        }
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT")
            + "/" + System.getenv("PGDATABASE");
        int called = 0;
        int failed = 0;
        try (Connection connection = DriverManager.getConnection(url, options)) {
            DatabaseMetaData metadata = connection.getMetaData();
            Method[] methods = DatabaseMetaData.class.getMethods();
            Arrays.sort(methods, Comparator.comparing(Method::getName)
                                     .thenComparing(m -> m.getParameterCount()));
            for (Method method : methods) {
                if (LEFT_OUT.contains(method.getName())) {
                    continue;
                }
                for (Object[] list : arguments(method)) {
                    StringBuilder label = new StringBuilder(method.getName()).append('(');
                    for (Object argument : list) {
                        label.append(shown(argument)).append(", ");
                    }
                    label.append(')');
                    called++;
                    try {
                        print(label.toString(), method.invoke(metadata, list));
                    } catch (InvocationTargetException error) {
                        Throwable cause = error.getCause();
                        String state = cause instanceof SQLException
                            ? ((SQLException) cause).getSQLState() : cause.getClass().getName();
                        System.out.println(label + " ! " + state + " " + cause.getMessage());
                        failed++;
                    }
                }
            }
        }
        System.out.println(called + " calls, " + failed + " of them errors");
        System.out.println("done");
    }
}
