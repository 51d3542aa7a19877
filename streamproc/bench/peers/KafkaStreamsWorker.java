import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The same two rules in Kafka Streams: filter, repartition by group, count in a RocksDB store with a changelog, and
 * send an alert for each trigger. Its settings are its own. The rules' numbers are those of bench/rules.py.
 */
public final class KafkaStreamsWorker {
    static final ObjectMapper JSON = new ObjectMapper().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
    static final boolean BRUTE = env("BENCH_WORKLOAD").equals("w1");
    static final String RULE = BRUTE ? "brute-force" : "busy-hour";
    static final int COUNT = BRUTE ? 10 : 12;
    static final long WINDOW_MS = BRUTE ? 60_000 : 3_600_000;
    static final String STORE = "counts";

    static volatile long taken;
    static volatile double first;
    static volatile double last;

    public record Actor(String id, String type, String email, String ip, String user_agent) { }

    public record Resource(String type, String id) { }

    public record Event(
        String id, String tenant_id, String action, String outcome, String event_time,
        Actor actor, Resource resource, String source, Map<String, Object> metadata) {

        String group() {
            return BRUTE ? actor.ip : actor.id;
        }
    }

    /** An event as JSON, whole. */
    static Serde<Event> events() {
        return Serdes.serdeFrom(
            (topic, event) -> {
                try {
                    return event == null ? null : JSON.writeValueAsBytes(event);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : JSON.readValue(bytes, Event.class);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }

    /** The rolling window's times (W1), or the hour and its count (W2). */
    static Serde<long[]> longs() {
        return Serdes.serdeFrom(
            (topic, values) -> {
                if (values == null) {
                    return null;
                }
                ByteBuffer buffer = ByteBuffer.allocate(8 * values.length);
                buffer.asLongBuffer().put(values);
                return buffer.array();
            },
            (topic, bytes) -> {
                if (bytes == null) {
                    return null;
                }
                long[] values = new long[bytes.length / 8];
                ByteBuffer.wrap(bytes).asLongBuffer().get(values);
                return values;
            });
    }

    static final class Counting implements Processor<String, Event, String, byte[]> {
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, long[]> store;

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<String, Event> record) {
            last = now();
            Event event = record.value();
            long ms = Instant.parse(event.event_time()).toEpochMilli();
            long[] before = store.get(record.key());
            long[] after = BRUTE ? rolled(before, ms) : counted(before, ms / WINDOW_MS);
            store.put(record.key(), after);
            if ((BRUTE ? after.length : after[1]) >= COUNT) {
                Map<String, String> alert = Map.of(
                    "rule", RULE, "tenant_id", event.tenant_id(), "group", event.group(), "event_id", event.id());
                try {
                    context.forward(record.withValue(JSON.writeValueAsBytes(alert)));
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            }
        }

        private static long[] rolled(long[] times, long ms) {
            int gone = 0;
            int length = times == null ? 0 : times.length;
            while (gone < length && times[gone] <= ms - WINDOW_MS) {
                gone++;
            }
            long[] kept = new long[length - gone + 1];
            if (length > gone) {
                System.arraycopy(times, gone, kept, 0, length - gone);
            }
            kept[kept.length - 1] = ms;
            return kept;
        }

        private static long[] counted(long[] stored, long hour) {
            return new long[] {hour, stored != null && stored[0] == hour ? stored[1] + 1 : 1};
        }
    }

    public static void main(String[] arguments) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(STORE), Serdes.String(), longs()).withCachingEnabled());
        builder.stream(env("BENCH_EVENTS"), Consumed.with(Serdes.String(), events()))
            .filter((key, event) -> {
                last = now();
                if (taken == 0) {
                    first = last;
                }
                taken++;
                return !BRUTE || (event.action().equals("user.login") && event.outcome().equals("failure"));
            })
            .selectKey((key, event) -> event.tenant_id() + "|" + event.group())
            .repartition(Repartitioned.<String, Event>as("by-group").withKeySerde(Serdes.String()).withValueSerde(events()))
            .process(Counting::new, STORE)
            .to(env("BENCH_ALERTS"), Produced.with(Serdes.String(), Serdes.ByteArray()));

        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, env("BENCH_GROUP"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env("BENCH_KAFKA"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, env("BENCH_STATE"));
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        background("progress", KafkaStreamsWorker::tell);
        background("parent", KafkaStreamsWorker::endWithParent);
        streams.start();
    }

    private static void background(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** The file that the bench reads, every 100 ms. On Linux, nanoTime is the clock of Python's time.monotonic(). */
    private static void tell() {
        Path file = Path.of(env("BENCH_PROGRESS"));
        Path fresh = Path.of(file + ".new");
        double written = 0;
        try {
            while (true) {
                Thread.sleep(100);
                double latest = last;
                if (taken > 0 && latest != written) {
                    Files.write(fresh, JSON.writeValueAsBytes(Map.of("taken", taken, "first", first, "last", latest)));
                    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                    written = latest;
                }
            }
        } catch (IOException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The bench holds the other end of standard input. */
    private static void endWithParent() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException error) {
            // closed as well
        }
        Runtime.getRuntime().halt(1);
    }

    private static double now() {
        return System.nanoTime() / 1e9;
    }

    private static String env(String name) {
        return System.getenv(name);
    }
}
