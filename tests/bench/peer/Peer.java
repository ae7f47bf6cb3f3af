import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * What a team would write instead of a ledger: deals as a table, summed by stage and owner with an adder and a
 * subtractor, exactly once. Partial updates are merged in the order of arrival; nothing is known of the past.
 *
 * <p>Arguments: bootstrap servers, input topic, output topic, application id, state directory.
 */
public final class Peer {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** A deal as last heard of, and the number of its events so far. */
  record Deal(String stage, String owner, BigDecimal amount, int events) {
    static final Deal NONE = new Deal("", "", BigDecimal.ZERO, 0);

    Deal with(byte[] said) {
      try {
        JsonNode data = JSON.readTree(said);
        JsonNode money = data.path("amount").path("amount");
        return new Deal(
            data.path("stage").asText(stage),
            data.path("owner_id").asText(owner),
            money.isTextual() ? new BigDecimal(money.textValue()) : amount,
            events + 1);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }

    String place() {
      return stage + "|" + owner;
    }
  }

  /** What stands in one stage with one owner. */
  record Sums(long deals, BigDecimal amount, long events) {
    static final Sums NONE = new Sums(0, BigDecimal.ZERO, 0);

    Sums plus(Deal deal) {
      return new Sums(deals + 1, amount.add(deal.amount()), events + deal.events());
    }

    Sums minus(Deal deal) {
      return new Sums(deals - 1, amount.subtract(deal.amount()), events - deal.events());
    }

    String told() {
      return deals + " " + amount.toPlainString() + " " + events;
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put("consumer.auto.offset.reset", "earliest");

    KafkaStreams streams = new KafkaStreams(topology(arguments[1], arguments[2]).build(), settings);
    CountDownLatch failed = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          failed.countDown();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    failed.await();
    Runtime.getRuntime().halt(1);
  }

  private static StreamsBuilder topology(String input, String output) {
    StreamsBuilder builder = new StreamsBuilder();
    KTable<String, Deal> deals =
        builder.stream(input, Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .groupByKey()
            .aggregate(
                () -> Deal.NONE,
                (key, said, deal) -> deal.with(said),
                Materialized.<String, Deal, KeyValueStore<Bytes, byte[]>>as("deals")
                    .withKeySerde(Serdes.String())
                    .withValueSerde(DEAL));
    deals
        .groupBy((key, deal) -> KeyValue.pair(deal.place(), deal), Grouped.with(Serdes.String(), DEAL))
        .aggregate(
            () -> Sums.NONE,
            (place, deal, sums) -> sums.plus(deal),
            (place, deal, sums) -> sums.minus(deal),
            Materialized.<String, Sums, KeyValueStore<Bytes, byte[]>>as("sums")
                .withKeySerde(Serdes.String())
                .withValueSerde(SUMS))
        .toStream()
        .mapValues(Sums::told)
        .to(output, Produced.with(Serdes.String(), Serdes.String()));
    return builder;
  }

  private interface Writing<T> {
    void write(DataOutputStream out, T value) throws IOException;
  }

  private interface Reading<T> {
    T read(DataInputStream in) throws IOException;
  }

  private static <T> Serde<T> serde(Writing<T> writing, Reading<T> reading) {
    return Serdes.serdeFrom(
        (topic, value) -> {
          if (value == null) {
            return null;
          }
          ByteArrayOutputStream bytes = new ByteArrayOutputStream(64);
          try {
            writing.write(new DataOutputStream(bytes), value);
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
          return bytes.toByteArray();
        },
        (topic, bytes) -> {
          if (bytes == null) {
            return null;
          }
          try {
            return reading.read(new DataInputStream(new ByteArrayInputStream(bytes)));
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        });
  }

  private static void writeAmount(DataOutputStream out, BigDecimal amount) throws IOException {
    byte[] digits = amount.unscaledValue().toByteArray();
    out.writeByte(amount.scale());
    out.writeByte(digits.length);
    out.write(digits);
  }

  private static BigDecimal readAmount(DataInputStream in) throws IOException {
    int scale = in.readByte();
    return new BigDecimal(new BigInteger(in.readNBytes(in.readByte())), scale);
  }

  private static final Serde<Deal> DEAL =
      serde(
          (out, deal) -> {
            out.writeUTF(deal.stage());
            out.writeUTF(deal.owner());
            writeAmount(out, deal.amount());
            out.writeInt(deal.events());
          },
          in -> new Deal(in.readUTF(), in.readUTF(), readAmount(in), in.readInt()));

  private static final Serde<Sums> SUMS =
      serde(
          (out, sums) -> {
            out.writeLong(sums.deals());
            writeAmount(out, sums.amount());
            out.writeLong(sums.events());
          },
          in -> new Sums(in.readLong(), readAmount(in), in.readLong()));
}
